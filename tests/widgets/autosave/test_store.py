"""Files of the store, with nothing around them: whatever happens to one, none is lost, and what can be read is found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.autosave import store
from napari_temseg.widgets.autosave.parts import KeptStrokes
from napari_temseg.widgets.autosave.store import PartFile, Picture, Snapshot
from napari_temseg.widgets.session.data_folder import data_folder

PICTURE = Picture(np.zeros((20, 30), np.uint8))
SHAPE = (20, 30)


def drawn(*columns: int) -> Any:
    """Strokes in these columns."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[3, list(columns)] = 1
    return labels


def snapshot(*columns: int) -> Snapshot:
    labels = drawn(*columns)
    about = {"classes": {1: "background"}, "shape": SHAPE, "planes": [0] if columns else []}
    return Snapshot("grid", lambda: (about, {"labels": labels[None] if columns else labels[None][:0]}))


def another(picture: Picture = PICTURE) -> PartFile:
    """The file of another start."""
    return PartFile(picture, KeptStrokes)


def written(*columns: int) -> Path:
    file = another()
    assert file.save(snapshot(*columns)) is None
    assert file.path is not None
    return file.path


def kept() -> list[Path]:
    return sorted((data_folder() / "annotations").glob("[!.]*.npz"))


def columns_of(path: Path) -> list[int]:
    return np.flatnonzero(KeptStrokes(path).labels(SHAPE)[3]).tolist()


def test_the_newest_that_holds_something_is_found_by_the_pixels() -> None:
    assert another().save(snapshot()) is None
    assert kept() == []
    written(4)
    second = another()
    second.save(snapshot(5))
    (found,) = another().newest()
    assert isinstance(found, KeptStrokes)
    assert columns_of(found.path) == [5]
    with pytest.raises(TemsegError, match="another shape"):
        found.labels((30, 20))
    second.save(snapshot())  # all was taken back
    (found,) = another().newest()
    assert isinstance(found, KeptStrokes)
    assert columns_of(found.path) == [4]
    pixels = np.zeros(SHAPE, np.uint8)
    assert len(another(Picture(pixels)).newest()) == 1
    pixels[0, 0] = 1  # another picture
    assert another(Picture(pixels)).newest() == []


def test_a_file_that_is_cut_at_any_byte_is_a_sentence_and_hides_no_other() -> None:
    older, newer = written(4), written(5)
    content = newer.read_bytes()
    for end in range(0, len(content), 7):
        newer.write_bytes(content[:end])
        told, found = another().newest()
        assert str(told).startswith(f"The work kept in {newer.name} cannot be read")
        assert isinstance(found, KeptStrokes)
        assert found.path == older
    assert newer.exists()


@pytest.mark.parametrize("harm", ["newer", "emptied", "of another kind"])
def test_a_file_that_says_something_else_is_a_sentence(harm: str) -> None:
    path = written(4)
    about = {"newer": {"format": 99, "time": 5}, "emptied": {}, "of another kind": {"time": "2026-11-28T02:00:00", "planes": 5}}[harm]
    store.write_arrays(path, {"about": np.array(store.json_text(about))})
    before = path.read_bytes()
    (told,) = another().newest()
    assert ("newer version" if harm == "newer" else "cannot be read") in str(told)
    assert written(6) != path
    assert path.read_bytes() == before


def test_two_windows_that_go_on_in_one_file_lose_nothing() -> None:
    one = another()
    one.save(snapshot(4))
    two = PartFile(PICTURE, KeptStrokes, one.path)  # the other window brought it back
    two.save(snapshot(5))
    one.save(snapshot(4))
    assert sorted(map(columns_of, kept())) == [[4], [5]]
    one.save(snapshot(4, 6))
    two.save(snapshot(5, 7))
    assert sorted(map(columns_of, kept())) == [[4, 6], [5, 7]]
    kept()[0].unlink()  # discarded in one of them
    one.save(snapshot(4, 6))
    two.save(snapshot(5, 7))
    assert sorted(map(columns_of, kept())) == [[4, 6], [5, 7]]


def test_a_disk_that_fills_while_it_is_written_leaves_what_there_is() -> None:
    resource = pytest.importorskip("resource")
    file = another()
    file.save(snapshot(4))
    noise = np.random.default_rng(0).integers(0, 255, 1 << 20).astype(np.uint8)
    about = {"classes": {}, "shape": SHAPE, "planes": [0]}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        error = file.save(Snapshot("grid", lambda: (about, {"labels": noise})))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error is not None
    assert "cannot be written" in str(error)
    assert [columns_of(path) for path in kept()] == [[4]]
    assert file.save(snapshot(4, 8)) is None
    assert [columns_of(path) for path in kept()] == [[4, 8]]
    assert list((data_folder() / "annotations").glob(".*")) == []


def test_no_more_than_a_few_of_a_picture_are_kept() -> None:
    other = another(Picture(np.ones(SHAPE, np.uint8)))
    other.save(snapshot(1))
    for column in range(store.FILES_A_PICTURE + 2):
        path = written(column)
        os.utime(path, (1e9 + column, 1e9 + column))
    path = written(20)
    assert other.path in kept()
    assert len(kept()) == store.FILES_A_PICTURE + 1
    assert columns_of(path) == [20]
    assert sorted(column for each in kept() for column in columns_of(each)) == [1, 3, 4, 5, 6, 20]
