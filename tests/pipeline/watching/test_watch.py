"""A folder that pictures arrive in: each is taken when it is whole, and the run ends when its rule is met, or when it is told to."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from skimage.draw import disk

import napari_temseg as temseg
from interrupted import interrupted
from napari_temseg.cli.main import main
from napari_temseg.engine.types.progress import Job
from napari_temseg.engine.types.wording import several
from napari_temseg.files.formats.tiff import write_tiff

NM = temseg.Calibration((0.5, 0.5), "typed")
RADII = (6, 7, 8, 9)


def write(path: Path, seed: int) -> bytes:
    """A micrograph of a dozen discs; what its file holds."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(10, 20, (128, 160)).astype(np.uint8)
    for y in (24, 64, 104):
        for x in (24, 64, 96, 136):
            pixels[disk((y, x), rng.choice(RADII), shape=pixels.shape)] = 200
    write_tiff(path, pixels, NM)
    return path.read_bytes()


@pytest.fixture
def watch(tmp_path: Path, bright: temseg.Segmenter) -> Callable[..., Job[temseg.RunResult]]:
    (tmp_path / "camera").mkdir()
    split = temseg.SplitConfig(strength=0.0)
    return lambda **more: temseg.iter_run(
        tmp_path / "camera", tmp_path / "out", model=bright, split=split, watch=True, **{"settled": 0.0, **more}
    )


def test_pictures_are_taken_as_they_become_whole(tmp_path: Path, watch: Callable[..., Job[temseg.RunResult]]) -> None:
    camera, told = tmp_path / "camera", list[str]()
    content = write(tmp_path / "apart.tif", 2)
    job = watch()
    for progress in job:
        told.append(progress.message)
        if "waiting for more" not in progress.message:
            continue
        if not (camera / "a.tif").exists():
            write(camera / "a.tif", 1)
        elif not (camera / "b.tif").exists() and "1 picture done" in progress.message:
            (camera / "b.tif").write_bytes(content[: len(content) // 2])  # a slow copy
        elif (camera / "b.tif").exists() and (camera / "b.tif").stat().st_size < len(content):
            if any("b: left out" in each for each in told):
                (camera / "b.tif").write_bytes(content)
        elif "2 pictures done" in progress.message:
            job.finish()
    result = job.result
    assert [item.name for item in result.items] == ["a", "b"]
    assert (result.failures, result.stopped, result.summary["complete"]) == ({}, False, True)
    assert any("24 particles, D50 " in each for each in told)
    assert "without a rule for when there are enough" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_rule_ends_it_and_stands_in_the_report(tmp_path: Path, watch: Callable[..., Job[temseg.RunResult]]) -> None:
    job, told = watch(until=0.2), list[str]()
    for progress in job:
        told.append(progress.message)
        done = len(list((tmp_path / "out" / ".temseg" / "pictures").glob("*.npz")))
        if f"{several(done, 'picture')} done, waiting" in progress.message and not (tmp_path / "camera" / f"p{done}.tif").exists():
            write(tmp_path / "camera" / f"p{done}.tif", done)
    rule = job.result.summary["stopping"]
    assert len(job.result.items) >= 5
    assert (rule["until"], rule["set_at"], rule["met"]) == (0.2, 0, True)
    assert rule["open"] <= 0.2
    assert any("its interval from three pictures on" in each for each in told)
    assert any("more images for ± 20.0 %" in each for each in told)
    assert "this rule was set before the first picture, and it was met" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_another_rule_in_the_middle_is_told(tmp_path: Path, watch: Callable[..., Job[temseg.RunResult]]) -> None:
    write(tmp_path / "camera" / "a.tif", 1)
    for until, expected in ((0.01, "before the first picture"), (0.3, "when 1 picture was done"), (0.3, "when 1 picture was done")):
        job = watch(until=until)
        for progress in job:
            if "waiting for more" in progress.message:
                job.finish()
        assert expected in job.result.summary["stopping"]["text"]
        assert "it was not met" in job.result.summary["stopping"]["text"]
        assert len(job.result.items) == 1


def test_a_picture_that_is_written_anew_is_searched_anew(tmp_path: Path, watch: Callable[..., Job[temseg.RunResult]]) -> None:
    write(tmp_path / "camera" / "a.tif", 1)
    other = write(tmp_path / "again" / "a.tif", 3)
    record, job = tmp_path / "out" / ".temseg" / "pictures" / "a.npz", watch()
    old = b""
    for progress in job:
        if "waiting for more" in progress.message:
            if not old:
                old = record.read_bytes()
                (tmp_path / "camera" / "a.tif").write_bytes(other)
            elif record.read_bytes() != old:
                job.finish()
    assert job.result.items[0].measurement.content_hash == temseg.read(tmp_path / "again" / "a.tif").content_hash()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of other systems")
def test_ctrl_c_ends_it_well_and_the_same_command_goes_on(tmp_path: Path, log_elsewhere: None, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "camera" / "a.tif", 1)
    command = ["run", str(tmp_path / "camera"), "-o", str(tmp_path / "out"), "--watch", "--until", "1%"]
    command += ["--settled", "0", "--typical-size", "15 px"]
    for number in (1, 2):
        with interrupted(lambda number=number: len(list(tmp_path.glob("out/.temseg/pictures/*.npz"))) >= number):
            assert main(command) == 0
        assert f"Report: {tmp_path / 'out' / 'report.html'}" in capsys.readouterr().out
        summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
        assert (summary["complete"], len(summary["images"]), summary["stopping"]["set_at"]) == (True, number, 0)
        write(tmp_path / "camera" / "b.tif", 2)


@pytest.mark.parametrize(("watching", "until", "said"), [(False, 0.05, "add --watch"), (True, 5.0, "such as 5%")])
def test_a_rule_that_cannot_be_is_refused(tmp_path: Path, watching: bool, until: float, said: str) -> None:
    write(tmp_path / "camera" / "a.tif", 1)
    with pytest.raises(temseg.TemsegError, match=said):
        temseg.iter_run(tmp_path / "camera", tmp_path / "out", watch=watching, until=until)
