"""`.temseg`: what is saved comes back the same; what is damaged is refused in one sentence; nothing is left half-written."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from napari_temseg import PredictConfig, Segmenter, TemsegError, load, predict
from napari_temseg.engine.model.network_spec import NetworkSpec
from napari_temseg.files.models import MODEL_FORMAT, save, shipped

EXACT = PredictConfig(device="cpu", precision="float32")


@pytest.fixture(scope="module")
def saved(tiny, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny.temseg"
    tiny.save(path)
    return path


def header(path: Path) -> dict:
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["temseg"])


def rewritten(source: Path, target: Path, tensors: dict | None = None, **metadata: object) -> Path:
    """A copy with other tensors or other metadata."""
    save_file({**load_file(source), **(tensors or {})}, target, metadata={"temseg": json.dumps({**header(source), **metadata})})
    return target


def refused(path: Path, words: str = "") -> str:
    with pytest.raises(TemsegError, match=words) as caught:
        load(path)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


def test_there_and_back(tiny, saved):
    again = load(saved)
    assert again.content_hash() == tiny.content_hash()
    assert again.metadata() == tiny.metadata()
    image = np.random.default_rng(0).normal(size=(40, 50))
    assert (predict(again, image, EXACT).probability == predict(tiny, image, EXACT).probability).all()
    assert load(str(saved)).content_hash() == tiny.content_hash()


def test_everything_but_the_weights_comes_back(tiny, tmp_path):
    model = tiny.copy()
    model.name, model.scales, model.classes = "mine", (0.5, 2.0), {1: "background", 2: "粒子"}
    model.history.append({"kind": "trained", "curve": [{"step": 0.0, "train_loss": float("nan")}], "seconds": 1.5})
    model.save(tmp_path / "a" / "mine.temseg")  # folders are made
    again = load(tmp_path / "a" / "mine.temseg")
    assert (again.name, again.scales, again.classes) == (model.name, model.scales, model.classes)
    assert again.history == [{"kind": "trained", "curve": [{"step": 0.0, "train_loss": None}], "seconds": 1.5}]


def test_half_precision_is_half_the_size_and_the_same_model(tiny, saved, tmp_path):
    save(tiny, tmp_path / "half.temseg", half=True)
    assert (tmp_path / "half.temseg").stat().st_size < 0.55 * saved.stat().st_size
    again = load(tmp_path / "half.temseg")
    assert again.content_hash() == tiny.content_hash()
    image = np.random.default_rng(0).normal(size=(40, 50))
    one, two = predict(again, image, EXACT).probability, predict(tiny, image, EXACT).probability
    assert np.abs(one.astype(float) - two.astype(float)).max() < 0.01


def test_numbers_too_large_for_half_precision_are_kept(tiny, tmp_path):
    model = tiny.copy()
    model.network.encoder.features[0][1].running_var.fill_(1e6)
    save(model, tmp_path / "large.temseg", half=True)
    assert (load(tmp_path / "large.temseg").network.encoder.features[0][1].running_var == 1e6).all()


def test_the_shipped_model_loads_by_name_and_is_small():
    path = shipped()["particles"]
    assert path.stat().st_size <= 16e6
    model = load("particles")
    assert model.classes == {1: "background", 2: "particle"}
    assert "distance" in model.spec.auxiliary


def test_what_older_versions_would_predict_wrongly_with_has_a_number_that_they_refuse(banded, tmp_path):
    banded.save(tmp_path / "band.temseg")
    description = header(tmp_path / "band.temseg")
    assert description["format"] == MODEL_FORMAT > 1
    back = load(tmp_path / "band.temseg")
    assert back.spec == banded.spec
    assert back.content_hash() == banded.content_hash()
    smaller = rewritten(tmp_path / "band.temseg", tmp_path / "other.temseg", network={**description["network"], "working_size": 30.0})
    assert load(smaller).content_hash() != banded.content_hash()


def test_no_pickle_in_it(saved):
    content = saved.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    description = json.loads(content[8 : 8 + length])
    assert {entry["dtype"] for name, entry in description.items() if name != "__metadata__"} <= {"F32", "I64"}
    assert json.loads(description["__metadata__"]["temseg"])["format"] == 1  # which older versions read


@pytest.mark.skipif(os.name == "nt" or getattr(os, "geteuid", lambda: 0)() == 0, reason="rights do not bind this user")
def test_a_folder_without_the_right_to_write(tiny, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(TemsegError, match="choose a folder you may write to"):
        tiny.save(tmp_path / "model.temseg")


@pytest.mark.skipif(resource is None, reason="this system cannot limit the size of a file")
def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tiny, tmp_path):
    target = tmp_path / "model.temseg"
    target.write_bytes(b"the model before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))  # as if the disk were full after 1 MB
    try:
        with pytest.raises(TemsegError, match=r"model\.temseg: cannot be written .*; choose a folder you may write to, with space left"):
            tiny.save(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert target.read_bytes() == b"the model before"
    assert [path.name for path in tmp_path.iterdir()] == ["model.temseg"]


def test_writing_where_a_folder_or_a_file_is_in_the_way(tiny, tmp_path):
    (tmp_path / "folder.temseg").mkdir()
    with pytest.raises(TemsegError, match=r"folder\.temseg: cannot be written"):
        tiny.save(tmp_path / "folder.temseg")
    (tmp_path / "file").write_text("")
    with pytest.raises(TemsegError, match="cannot be written"):
        tiny.save(tmp_path / "file" / "model.temseg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.temseg"]


def test_missing_files_and_folders(tmp_path):
    assert "particles" in refused(tmp_path / "missing.temseg", "no such file or shipped model; give a .temseg file or one of ")
    refused(tmp_path, "a folder")
    with pytest.raises(TemsegError, match="no such file"):
        load("x" * 5000)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 8, b"\xff" * 64, b"PK\x03\x04" + bytes(100), struct.pack("<Q", 2) + b"{}"])
def test_other_files(content, tmp_path):
    path = tmp_path / "other.temseg"
    path.write_bytes(content)
    refused(path, r"not a \.temseg file|without a model description")


def test_cut_short_anywhere(saved, tmp_path):
    content = saved.read_bytes()
    path = tmp_path / "short.temseg"
    for length in np.linspace(0, len(content) - 1, 20).astype(int):
        path.write_bytes(content[:length])
        refused(path, r"not a \.temseg file, or cut short")


def test_a_flipped_byte_is_refused_wherever_it_is(saved, tmp_path):
    rng = np.random.default_rng(0)
    content = saved.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    described = content.index(b"__metadata__")
    places = [*range(8), *range(described - 3, described + 40)]  # the names of the entries of the header among them
    places += [*range(content.index(b'"sha256"') - 2, content.index(b'"sha256"') + 80)]
    places += [*rng.integers(8, length + 8, 60), length + 7, length + 8, len(content) - 1, *rng.integers(length + 8, len(content), 20)]
    path = tmp_path / "flipped.temseg"
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= int(rng.integers(1, 256))
        path.write_bytes(flipped)
        refused(path, "damaged|another copy|without a model description|newer version")
    path.write_bytes(content)
    load(path)


def test_the_shipped_models_are_sealed(tmp_path):
    for name, source in shipped().items():
        flipped = bytearray(source.read_bytes())
        flipped[len(flipped) // 2] ^= 1
        (tmp_path / f"{name}.temseg").write_bytes(flipped)
        refused(tmp_path / f"{name}.temseg", "damaged")


def test_a_file_without_a_checksum_still_opens(tiny, saved, tmp_path):
    older = rewritten(saved, tmp_path / "older.temseg")
    assert b"sha256" not in older.read_bytes()
    assert load(older).content_hash() == tiny.content_hash()


def test_oversized(tmp_path):
    path = tmp_path / "huge.temseg"
    with path.open("wb") as file:
        file.truncate(3 << 30)
    refused(path, "larger than 1 GiB")


def test_another_shape(tiny, saved, tmp_path):
    name = "segmentation_head.0.weight"
    wrong = {name: torch.zeros(3, *tiny.tensors()[name].shape[1:])}
    refused(rewritten(saved, tmp_path / "shape.temseg", wrong), "tensors are not those of the network")
    refused(rewritten(saved, tmp_path / "more.temseg", {"extra": torch.zeros(2)}), "tensors are not those of the network")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite(tiny, saved, value, tmp_path):
    name = "segmentation_head.0.bias"
    wrong = {name: torch.full_like(tiny.tensors()[name], value)}
    refused(rewritten(saved, tmp_path / "nan.temseg", wrong), f"tensor {name} holds numbers that are not finite")


def test_a_newer_format(saved, tmp_path):
    path = rewritten(saved, tmp_path / "newer.temseg", format=MODEL_FORMAT + 1)
    refused(path, f"written by a newer version .format {MODEL_FORMAT + 1}, this one reads {MODEL_FORMAT}.; update napari-temseg")


@pytest.mark.parametrize(
    "metadata",
    [
        {"format": "one"},
        {"format": None},
        {"format": float("inf")},
        {"network": None},
        {"network": {}},
        {"network": {"encoder": "mobilenet_v2", "decoder_channels": [1e999] * 5, "n_classes": 2, "auxiliary": []}},
        {"network": {"encoder": "no such\nencoder", "decoder_channels": [32, 16, 16, 8, 8], "n_classes": 2, "auxiliary": []}},
        {"classes": [1, 2]},
        {"classes": {"1": "background", "7": "particle"}},
        {"scales": "big"},
        {"scales": []},
        {"normalisation": {"low": 90, "high": 10}},
        {"history": 5},
    ],
    ids=lambda metadata: f"{next(iter(metadata))}-{next(iter(metadata.values()))}"[:40],
)
def test_a_description_that_makes_no_sense(saved, metadata, tmp_path):
    refused(rewritten(saved, tmp_path / "wrong.temseg", **metadata), "another copy|without a model description|no encoder|must run from 1")


def test_safetensors_that_are_no_model(saved, tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "a.temseg")
    refused(tmp_path / "a.temseg", "a safetensors file without a model description")
    for description in ("not json", "[]", "3", "[" * 100_000):
        save_file({"a": torch.zeros(2)}, tmp_path / "b.temseg", metadata={"temseg": description})
        refused(tmp_path / "b.temseg", "without a model description")


def test_other_encoders_come_back(tmp_path):
    spec = NetworkSpec("efficientnet-b0", (16, 16, 8, 8, 8), n_classes=4, auxiliary=("distance", "border"))
    model = Segmenter.new(spec, {1: "background", 2: "a", 3: "b", 4: "c"})
    model.save(tmp_path / "b0.temseg")
    assert load(tmp_path / "b0.temseg").content_hash() == model.content_hash()
