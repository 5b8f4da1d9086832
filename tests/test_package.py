"""The package as a whole: light to import, honest about its names, known to napari, silent on the network."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_temseg

ROOT = Path(__file__).parents[1]

# What a session without a network would meet: every way out of Python raises.
BLOCKED = """
import socket, sys
def blocked(*args, **kwargs):
    print("a connection was tried:", args, file=sys.stderr)
    raise OSError("no network in this test")
class Blocked(socket.socket):
    def __init__(self, *args, **kwargs):
        blocked(*args)
socket.socket = Blocked
socket.create_connection = socket.getaddrinfo = socket.socketpair = blocked
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_importing_loads_neither_torch_nor_qt_nor_napari():
    code = "import sys, napari_temseg, napari_temseg.cli; print(*sys.modules)"
    loaded = {name.split(".")[0] for name in run(code).stdout.split()}
    heavy = {"torch", "napari", "qtpy", "PyQt5", "PyQt6", "PySide6", "magicgui", "pandas", "skimage", "scipy", "matplotlib"}
    assert not loaded & heavy


def test_every_public_name_is_where_it_is_said_to_be():
    assert set(napari_temseg.__all__) == {*napari_temseg._WHERE, "__version__"}
    for name, home in napari_temseg._WHERE.items():
        assert getattr(napari_temseg, name) is getattr(import_module(home), name)
        assert getattr(napari_temseg, name).__doc__, f"{name} has no docstring"
    assert set(dir(napari_temseg)) == set(napari_temseg.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = napari_temseg.nonsense


def test_the_manifest_is_one_and_valid():
    inside = files("napari_temseg") / "napari.yaml"
    assert (ROOT / "napari.yaml").read_text(encoding="utf-8") == inside.read_text(encoding="utf-8")
    manifest = PluginManifest.from_file(str(inside))
    assert manifest.name == "napari-temseg"
    (entry,) = [entry for entry in entry_points(group="napari.manifest") if entry.name == "napari-temseg"]
    assert entry.value == "napari_temseg:napari.yaml"
    for command in manifest.contributions.commands or []:
        module, _, name = (command.python_name or "").partition(":")
        assert callable(getattr(import_module(module), name)), f"{command.id} leads nowhere"


def test_what_the_manifest_names_loads_neither_torch_nor_matplotlib():
    manifest = PluginManifest.from_file(str(files("napari_temseg") / "napari.yaml"))
    modules = sorted({command.python_name.partition(":")[0] for command in manifest.contributions.commands})
    assert modules
    loaded = run(f"import sys, {', '.join(modules)}; print(*sys.modules)", QT_QPA_PLATFORM="offscreen").stdout.split()
    assert not {"torch", "segmentation_models_pytorch", "sklearn", "matplotlib"} & {name.split(".")[0] for name in loaded}


def test_the_whole_road_needs_no_network(tmp_path):
    road = """
import numpy as np, torch, napari_temseg as temseg
from pathlib import Path
from napari_temseg.files.formats.tiff import write_tiff
torch.set_num_threads(1)
picture = temseg.simulate(temseg.SimulateConfig(height=160, width=160, count=9, diameter=24)).micrograph
write_tiff(Path("picture.tif"), picture.data, picture.calibration)
for model in ("particles",):
    temseg.run("picture.tif", model, model=model)
print("unneeded:", *{"timm", "torchvision", "huggingface_hub", "segmentation_models_pytorch", "torch._dynamo", "dask"} & sys.modules.keys())
model = temseg.load("particles")
labels = np.zeros((160, 160), np.uint8)
labels[4:8, 10:90], labels[80:84, 10:90] = 1, 2
model = temseg.train(picture, labels, base=model, config=temseg.TrainConfig(max_steps=1, crop=64, batch=1))
model.save("mine.temseg")
particles = temseg.split(temseg.predict("mine.temseg", picture))
table = temseg.measure(particles).table
print("rows:", len(table), len(particles))
"""
    done = subprocess.run([sys.executable, "-c", BLOCKED + road], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "a connection was tried" not in done.stderr
    assert "unneeded:\n" in done.stdout, "a run imports what takes longer to import than most pictures to analyse"
    rows, found = done.stdout.split("rows:")[1].split()
    assert rows == found


def test_the_block_would_be_noticed():
    code = BLOCKED + "import urllib.request\ntry: urllib.request.urlopen('http://localhost:9')\nexcept OSError: pass"
    assert "a connection was tried" in run(code).stderr
