"""The folder of a run: whose it is, what was in it before, what happens when it takes no more."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage.draw import disk

import napari_temseg as temseg
from napari_temseg.files.atomic import is_full
from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.files.tables import read_labels, write_labels_tiff
from napari_temseg.pipeline.existing_results import Result, iter_report
from napari_temseg.pipeline.run_folder import opened

NM = temseg.Calibration((0.5, 0.5), "typed")
WHOLE = temseg.SplitConfig(strength=0.0)


def write_picture(path: Path, *discs: tuple[int, int, int], shape: tuple[int, int] = (96, 128)) -> Path:
    pixels = np.random.default_rng(len(discs)).integers(10, 20, shape).astype(np.uint8)
    for y, x, radius in discs:
        pixels[disk((y, x), radius, shape=shape)] = 200
    write_tiff(path, pixels, NM)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three micrographs of three, two and one discs."""
    source = tmp_path / "pictures"
    write_picture(source / "a.tif", (30, 30, 12), (60, 90, 10), (25, 100, 8))
    write_picture(source / "b.tif", (50, 40, 14), (40, 100, 9))
    write_picture(source / "c.tif", (50, 60, 14))
    return source


@pytest.fixture
def go(folder: Path, bright: temseg.Segmenter) -> Callable[..., temseg.RunResult]:
    return lambda output, inputs=folder, **more: temseg.run(inputs, output, **{"model": bright, "split": WHOLE, **more})


def content(folder: Path) -> dict[str, bytes]:
    files = [*folder.glob("[!.]*"), *folder.glob("figures/*")]
    return {path.name: path.read_bytes() for path in files if path.is_file()}


def test_the_same_call_goes_on_where_it_was(
    folder: Path, tmp_path: Path, go: Callable[..., temseg.RunResult], bright: temseg.Segmenter
) -> None:
    job = temseg.iter_run(folder, tmp_path / "out", model=bright, split=WHOLE)
    for progress in job:
        if "b: done" in progress.message:
            job.finish()
    stopped = job.result
    assert [path.name for path in stopped.missing] == ["c.tif"]
    assert (stopped.summary["complete"], stopped.summary["missing"]) == (False, [str(folder / "c.tif")])
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Not complete: c.tif is not searched yet" in page
    assert f"{folder / 'c.tif'}: not searched yet." in page
    labels = (tmp_path / "out" / "a_particles.tif").stat().st_mtime_ns
    result = go(tmp_path / "out")
    assert result.notes == ("2 of 3 were done before.",)
    assert (tmp_path / "out" / "a_particles.tif").stat().st_mtime_ns == labels
    assert (result.stopped, result.summary["complete"], result.summary["missing"]) == (False, True, [])
    go(tmp_path / "unbroken")
    assert content(tmp_path / "out") == content(tmp_path / "unbroken")


def test_more_pictures_in_the_folder_are_added(folder: Path, tmp_path: Path, go: Callable[..., temseg.RunResult]) -> None:
    go(tmp_path / "out")
    write_picture(folder / "aa.tif", (30, 30, 12))
    assert go(tmp_path / "out").notes == ("3 of 4 were done before.",)
    go(tmp_path / "unbroken")
    assert content(tmp_path / "out") == content(tmp_path / "unbroken")
    assert not (tmp_path / "out" / "older").exists()


def test_a_second_run_is_refused_while_one_is_in_the_folder(
    folder: Path, tmp_path: Path, go: Callable[..., temseg.RunResult], model: Path
) -> None:
    with opened(tmp_path / "out"):
        with pytest.raises(temseg.TemsegError, match=rf"out: process {os.getpid()} \(since .*wait until it has ended, or choose another"):
            go(tmp_path / "out")
        command = [sys.executable, "-m", "napari_temseg.cli", "run", str(folder), "-o", str(tmp_path / "out"), "-m", str(model)]
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        assert other.returncode == 2
        assert f"process {os.getpid()}" in other.stderr
        assert other.stderr.count("\n") == 1
    assert len(go(tmp_path / "out").items) == 3


def test_results_of_other_settings_are_put_aside(folder: Path, tmp_path: Path, go: Callable[..., temseg.RunResult]) -> None:
    output = tmp_path / "out"
    go(output, split=temseg.SplitConfig(strength=0.0, min_diameter=21.0))
    (output / "notes.txt").write_text("mine")
    earlier = content(output)
    result = go(output, [folder / "a.tif", folder / "b.tif"])
    (older,) = (output / "older").iterdir()
    assert result.notes == (f"{output}: results of 3 pictures of an earlier run are now in {older}.",)
    assert content(older) == {name: data for name, data in earlier.items() if name != "notes.txt"}
    assert set(content(output)) == {path.name for path in result.files} | {"notes.txt"}
    assert set(pd.read_csv(output / "particles.csv")["image"]) == {"a", "b"}
    go(older, split=temseg.SplitConfig(strength=0.0, min_diameter=21.0))  # what was put aside is a run that can go on
    assert not (older / "older").exists()


def test_pictures_that_are_not_of_this_run_or_changed_are_put_aside(
    folder: Path, tmp_path: Path, go: Callable[..., temseg.RunResult]
) -> None:
    output = tmp_path / "out"
    go(output)
    earlier = content(output)
    (folder / "c.tif").unlink()
    write_picture(folder / "b.tif", (50, 40, 20))
    result = go(output)
    (older,) = (output / "older").iterdir()
    assert result.notes == (
        "1 of 2 were done before.",
        f"{output}: results of 2 pictures that do not belong to this run are now in {older}.",
    )
    names = {f"{stem}_{kind}.tif" for stem in "bc" for kind in ("classes", "particles")}
    assert content(older) == {name: data for name, data in earlier.items() if not name.startswith("a_")}
    assert names <= set(content(older))
    assert sorted(content(output)) == sorted(path.name for path in result.files)


def test_folders_of_versions_without_records_are_put_aside(folder: Path, tmp_path: Path, go: Callable[..., temseg.RunResult]) -> None:
    output = tmp_path / "out"
    labels = np.eye(96, 128, dtype=np.uint8)
    for stem in ("a", "gone"):
        write_labels_tiff(output / f"{stem}_particles.tif", labels, NM)
    write_labels_tiff(output / "drawn_particles.tif", labels, NM)
    write_picture(output / "own_particles.tif", (30, 30, 12))
    (output / "particles.csv").write_text("image\n")
    images = [{"image": "a"}, {"image": "gone"}, {"image": "own"}, {"image": "../../pictures/a"}]
    (output / "summary.json").write_text(json.dumps({"images": images}))
    result = go(output)
    (older,) = (output / "older").iterdir()
    assert set(content(older)) == {"a_particles.tif", "gone_particles.tif", "particles.csv", "summary.json"}
    assert {"drawn_particles.tif", "own_particles.tif"} <= set(content(output))
    assert f"results of an earlier run are now in {older}" in result.notes[0]


def test_label_images_that_somebody_changed_are_no_result_of_this_run(
    folder: Path, tmp_path: Path, go: Callable[..., temseg.RunResult]
) -> None:
    output = tmp_path / "out"
    go(output)
    good = content(output)
    changed = read_labels(output / "a_particles.tif").copy()
    changed[:40] = 0
    write_labels_tiff(output / "a_particles.tif", changed, NM)
    os.utime(output / "b_particles.tif")  # as a copied folder has it
    assert go(output).notes[0] == "2 of 3 were done before."
    assert content(output) == good
    (older,) = (output / "older").iterdir()
    assert not read_labels(older / "a_particles.tif")[:40].any()


@pytest.mark.parametrize("lost", [0, 30])
def test_a_damaged_record_is_none(tmp_path: Path, lost: int, go: Callable[..., temseg.RunResult]) -> None:
    output = tmp_path / "out"
    go(output)
    good = content(output)
    record = output / ".temseg" / "pictures" / "b.npz"
    data = bytearray(record.read_bytes())
    data[len(data) // 2] ^= 255
    record.write_bytes(data[: len(data) - lost])
    assert go(output).notes[0] == "2 of 3 were done before."
    assert content(output) == good


def test_a_picture_is_not_overwritten_by_the_result_of_another(tmp_path: Path, bright: temseg.Segmenter) -> None:
    write_picture(tmp_path / "a.tif", (30, 30, 12))
    own = write_picture(tmp_path / "a_particles.tif", (30, 30, 20), (60, 90, 10)).read_bytes()
    result = temseg.run(tmp_path, tmp_path, model=bright, split=WHOLE)
    assert [(item.name, len(item.measurement)) for item in result.items] == [("a_2", 1), ("a_particles", 2)]
    assert (tmp_path / "a_particles.tif").read_bytes() == own
    assert temseg.run(tmp_path, tmp_path, model=bright, split=WHOLE).notes == ("2 of 2 were done before.",)


def limited(size: int, work: Callable[[], object]) -> None:
    """Do it while no file may become larger than `size` bytes."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        work()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_half_way_stops_the_run(folder: Path, tmp_path: Path, go: Callable[..., temseg.RunResult]) -> None:
    write_picture(folder / "b.tif", (50, 40, 14), (40, 100, 9), shape=(900, 900))
    results: list[temseg.RunResult] = []
    limited(500_000, lambda: results.append(go(tmp_path / "out")))
    result = results[0]
    assert [item.name for item in result.items] == ["a"]
    assert result.stopped
    assert "b_classes.tif: cannot be written" in result.trouble
    assert "1 of 3 inputs is finished; b.tif, c.tif are missing; the same command goes on." in result.trouble
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["complete"] is False
    assert set(content(tmp_path / "out")) == {path.name for path in result.files}
    assert go(tmp_path / "out").summary["complete"]
    go(tmp_path / "unbroken")
    assert content(tmp_path / "out") == content(tmp_path / "unbroken")


def test_a_disk_that_is_full_is_known_before_anything_is_searched(tmp_path: Path, go: Callable[..., temseg.RunResult]) -> None:
    with pytest.raises(temseg.TemsegError, match=r"out: cannot be written .*make space there") as caught:
        limited(2**15, lambda: go(tmp_path / "out"))
    assert is_full(caught.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(temseg.TemsegError, match="cannot be written") as caught:
        go(tmp_path / "file" / "out")
    assert not is_full(caught.value)


def test_what_a_full_disk_says() -> None:
    assert is_full(OSError(errno.ENOSPC, "No space left on device"))
    assert is_full(OSError("4096 requested and 17 written"))
    assert not is_full(PermissionError(errno.EACCES, "Permission denied"))
    assert not is_full(ValueError("4096 written"))


def result(name: str, size: int = 20) -> Result:
    labels = np.zeros((60, 90), np.int32)
    labels[10 : 10 + size, 10:30], labels[30:50, 50:75] = 1, 2
    bare = temseg.measure(labels).table.set_index("particle")
    table = bare[["class", "plane", "aggregate", "frame", "cut"]].assign(class_id=2)
    picture = temseg.Micrograph(np.where(labels > 0, 20, 200).astype(np.uint8), "YX", source=temseg.Source(name))
    particles = temseg.Particles(labels, table, picture)
    return Result(particles, temseg.measure(particles))


def test_a_report_of_the_window_is_committed_in_the_same_way(tmp_path: Path, go: Callable[..., temseg.RunResult]) -> None:
    output = tmp_path / "out"
    iter_report([result("a"), result("b")], output).drain()
    first, time = content(output), (output / "a_particles.tif").stat().st_mtime_ns
    iter_report([result("a"), result("b")], output).drain()
    assert content(output) == first
    assert not (output / "older").exists()
    iter_report([result("a"), result("b", 25)], output).drain()
    (older,) = (output / "older").iterdir()
    assert content(older) == {name: data for name, data in first.items() if name != "a_particles.tif"}
    assert (output / "a_particles.tif").stat().st_mtime_ns == time
    with opened(output), pytest.raises(temseg.TemsegError, match="is writing its results there"):
        iter_report([result("a")], output).drain()
    assert len(go(output).items) == 3
    assert len(list((output / "older").iterdir())) == 2
