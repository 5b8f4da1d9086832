"""Importing stays light, and needs no viewer."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "napari", "qtpy", "PyQt6", "PySide6", "matplotlib", "skimage", "pandas", "numpy")


def _loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*(name for name in {HEAVY} if name in sys.modules))"
    return set(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_loads_nothing() -> None:
    assert _loaded_by("import napari_temseg; dir(napari_temseg)") == set()


def test_the_command_line_parses_without_anything_heavy() -> None:
    assert _loaded_by("from napari_temseg.cli.main import parser; parser().parse_args(['info'])") == set()


@pytest.mark.parametrize("name", ["TrainConfig", "SplitConfig", "TemsegError"])
def test_settings_and_errors_load_no_torch(name: str) -> None:
    assert "torch" not in _loaded_by(f"import napari_temseg; napari_temseg.{name}")


def test_reading_loads_no_torch_and_no_viewer() -> None:
    assert _loaded_by("import napari_temseg.files.readers, napari_temseg.files.tables") & {"torch", "napari", "qtpy", "matplotlib"} == set()


def test_every_public_name_is_there() -> None:
    import napari_temseg

    for name in napari_temseg.__all__:
        assert getattr(napari_temseg, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = napari_temseg.nonsense
