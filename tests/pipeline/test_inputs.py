"""Which files a run is about, and their names."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_temseg as temseg
from napari_temseg.files.tables import write_labels_tiff
from napari_temseg.pipeline.inputs import collect, unique_names

PIXELS = np.zeros((8, 8), np.uint8)


def test_folder_is_sorted_flat_and_without_our_results(tmp_path: Path) -> None:
    for name in ("b.png", "a.PNG", "note.txt", ".hidden.png", "c_particles.tif"):
        iio.imwrite(tmp_path / name, PIXELS, extension=".tif" if name.endswith("tif") else ".png")
    (tmp_path / "deeper").mkdir()
    iio.imwrite(tmp_path / "deeper" / "d.png", PIXELS)
    write_labels_tiff(tmp_path / "a_classes.tif", PIXELS, temseg.Calibration(), content="classes")
    paths, failures = collect([tmp_path])
    assert [path.name for path in paths] == ["a.PNG", "b.png", "c_particles.tif"]  # the last is someone's own
    assert failures == {}


def test_an_emi_and_its_ser_files_are_not_counted_twice(tmp_path: Path) -> None:
    for name in ("a.emi", "a_1.ser", "a_2.ser", "b.emi", "a_b_1.ser"):
        (tmp_path / name).write_bytes(b"x")
    paths, _ = collect([tmp_path])
    assert [path.name for path in paths] == ["a_1.ser", "a_2.ser", "a_b_1.ser", "b.emi"]
    assert [path.name for path in collect([tmp_path / "a.emi"])[0]] == ["a.emi"]


def test_each_file_once_in_the_order_given(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        iio.imwrite(tmp_path / name, PIXELS)
    paths, _ = collect([tmp_path / "b.png", tmp_path, str(tmp_path / "a.png")])
    assert [path.name for path in paths] == ["b.png", "a.png"]


def test_what_is_not_there_is_named_and_the_rest_kept(tmp_path: Path) -> None:
    iio.imwrite(tmp_path / "a.png", PIXELS)
    (tmp_path / "void").mkdir()
    paths, failures = collect([tmp_path / "gone.tif", tmp_path / "a.png", tmp_path / "void"])
    assert [path.name for path in paths] == ["a.png"]
    assert "no such file" in failures[str(tmp_path / "gone.tif")]
    assert "no micrographs" in failures[str(tmp_path / "void")]
    with pytest.raises(temseg.TemsegError, match="give files or folders"):
        collect([])


def test_names_say_what_differs() -> None:
    assert unique_names([Path("x/a.tif"), Path("x/b.tif")]) == ["a", "b"]
    assert unique_names([Path("x/a.tif"), Path("x/a.png"), Path("x/b.png")]) == ["a_tif", "a_png", "b"]
    assert unique_names([Path("x/a.tif"), Path("y/a.tif")]) == ["x_a", "y_a"]
    assert unique_names([Path("x/a.tif"), Path("x/A.tif")]) == ["a", "A_2"]
    assert unique_names([Path("x/a\tb\n.tif")]) == ["a%09b%0A"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("xy"), st.sampled_from(["a", "A", "b", "x_a", "a_tif", "a_2"]), st.sampled_from([".tif", ".png"])),
        unique=True,
    )
)
def test_names_never_collide(parts: list[tuple[str, str, str]]) -> None:
    names = unique_names([Path(folder) / f"{stem}{suffix}" for folder, stem, suffix in parts])
    assert len({name.casefold() for name in names}) == len(parts)
