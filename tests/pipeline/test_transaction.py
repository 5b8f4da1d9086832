"""However a run ends, what it leaves is whole, and the same call ends with the numbers of an unbroken run."""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from skimage.draw import disk

import napari_temseg as temseg
from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.files.tables import read_labels

NM = temseg.Calibration((0.5, 0.5), "typed")
WHOLE = temseg.SplitConfig(strength=0.0)


def picture(*discs: tuple[int, int, int]) -> np.ndarray:
    pixels = np.random.default_rng(len(discs)).integers(10, 20, (96, 128)).astype(np.uint8)
    for y, x, radius in discs:
        pixels[disk((y, x), radius, shape=pixels.shape)] = 200
    return pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three micrographs of three, two and one discs; the last without a pixel size."""
    source = tmp_path / "pictures"
    write_tiff(source / "a.tif", picture((30, 30, 12), (60, 90, 10), (25, 100, 8)), NM)
    write_tiff(source / "b.tif", picture((50, 40, 14), (40, 100, 9)), NM)
    write_tiff(source / "c.tif", picture((50, 60, 14)), temseg.Calibration())
    return source


@pytest.fixture
def go(folder: Path, bright: temseg.Segmenter) -> Callable[..., temseg.RunResult]:
    return lambda output, **more: temseg.run(folder, output, **{"model": bright, "split": WHOLE, **more})


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*") if path.is_file()}


def check_whole(output: Path) -> dict[str, Any]:
    """Whatever table is there is that of the label images beside it; returns the summary, {} when there is none."""
    if (output / "particles.csv").exists():
        for name, rows in pd.read_csv(output / "particles.csv").groupby("image"):
            labels = read_labels(output / f"{name}_particles.tif")
            area = rows["area_nm2"] / 0.25 if rows["area_nm2"].notna().all() else rows["area_px2"]
            assert np.bincount(labels.ravel())[1:].tolist() == area.round().tolist()
    path = output / "summary.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def forked(work: Callable[[], object]) -> int:
    """Do it in a child; the signal that ended it, or its exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads of this process, which the child does not need
        child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Do it in a child that is killed when it puts the `number`-th file into place or takes one away; whether it came to that."""

    def killed() -> None:
        left = [number]

        def count(event: str, args: tuple[Any, ...]) -> None:
            if event in ("os.rename", "os.remove"):
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        work()

    return forked(killed) == signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a child of its own")
@pytest.mark.parametrize(("before", "number"), [("nothing", 1), ("another run", 3), ("one picture", 6)])
def test_killed_anywhere_the_same_call_ends_as_unbroken(
    tmp_path: Path, go: Callable[..., temseg.RunResult], folder: Path, bright: temseg.Segmenter, before: str, number: int
) -> None:
    go(tmp_path / "unbroken")
    expected = content(tmp_path / "unbroken")
    alive = True
    while alive:
        output = tmp_path / f"out{number}"
        if before == "another run":
            go(output, split=temseg.SplitConfig(strength=0.0, min_diameter=21.0))
            earlier = content(output)
        elif before == "one picture":
            temseg.run([folder / "b.tif"], output, model=bright, split=WHOLE)
        alive = killed_at(number, lambda output=output: go(output))
        summary = check_whole(output)
        if alive and summary and before != "another run":
            assert not summary["complete"] or not summary["missing"]
        if alive and (output / "a_particles.tif").exists() and before != "another run" and not (summary and summary["complete"]):
            assert "This run is not finished" in (output / "UNFINISHED.txt").read_text(encoding="utf-8")
        go(output)
        assert content(output) == expected, number
        assert check_whole(output)["complete"]
        if before == "another run":
            assert [content(path) for path in (output / "older").iterdir()] == [earlier]
        number += 10  # a whole run for each: others lie between them where something else lay before
    assert number > 24


def test_the_next_start_does_not_read_pictures_that_are_done(folder: Path, tmp_path: Path, go: Callable[..., temseg.RunResult]) -> None:
    done = go(tmp_path / "out")
    for path in folder.glob("*.tif"):  # what is no picture any more, but looks untouched
        state = path.stat()
        path.write_bytes(bytes(state.st_size))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    again = go(tmp_path / "out")
    assert again.notes[0] == "3 of 3 were done before."
    assert again.summary == done.summary


@pytest.mark.parametrize("change", ["content", "side-car", "settings", "partner gone"])
def test_a_picture_is_read_again_where_anything_about_it_changed(
    folder: Path, tmp_path: Path, go: Callable[..., temseg.RunResult], change: str
) -> None:
    beside = folder / "c.txt"
    if change == "partner gone":
        beside.write_text("[SemImageFile]\nPixelSize=4.96094\n", encoding="utf-8")
    before = go(tmp_path / "out")
    if change == "content":
        write_tiff(folder / "c.tif", picture((50, 60, 9)), temseg.Calibration())
    elif change == "side-car":
        beside.write_text("[SemImageFile]\nPixelSize=4.96094\n", encoding="utf-8")
    elif change == "partner gone":
        beside.unlink()
    after = go(tmp_path / "out", **({"calibration": NM} if change == "settings" else {}))
    sizes = [[item.measurement.table.iloc[0].filter(like="ecd").tolist() for item in result.items] for result in (before, after)]
    assert sizes[0][2] != sizes[1][2]
    assert sizes[0][:2] == sizes[1][:2]
    assert "were done before" in after.notes[0] or change == "settings"
