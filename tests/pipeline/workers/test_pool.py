"""Pictures side by side: the files of one process, whatever happens to a worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from deadly import Deadly

import napari_temseg as temseg
from interrupted import interrupted
from napari_temseg.cli.main import main
from napari_temseg.engine.types.config import SimulateConfig
from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.pipeline.recipe import Recipe
from napari_temseg.pipeline.workers.picture_task import Learning, PictureTask, ReadyModel
from napari_temseg.pipeline.workers.pool import WorkerPool, memory_note, number_of

SIZE = temseg.PredictConfig(typical_size=16.0)
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of other systems")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four small simulated micrographs, and a file that is none."""
    source = tmp_path_factory.mktemp("pictures")
    for seed in range(4):
        drawn = temseg.simulate(SimulateConfig(seed=seed, width=128, height=128, count=8, diameter=16, pixel_size=0.5)).micrograph
        write_tiff(source / f"p{seed}.tif", drawn.plane(0).astype(np.float32), drawn.calibration)
    (source / "q.tif").write_bytes(b"no picture")
    return source


@pytest.fixture(scope="module")
def expected(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process makes of them."""
    output = tmp_path_factory.mktemp("one")
    temseg.run(folder, output, predict=SIZE)
    return content(output)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*") if path.is_file()}


def children() -> list[psutil.Process]:
    """The workers of this process."""
    return [each for each in psutil.Process().children() if "spawn_main" in " ".join(each.cmdline())]


def test_two_workers_write_what_one_process_writes(folder: Path, tmp_path: Path, expected: dict[str, bytes]) -> None:
    job = temseg.iter_run(folder, tmp_path, predict=SIZE, workers=2)
    shares = [progress.fraction for progress in job if "looking" not in progress.message]
    assert content(tmp_path) == expected
    assert shares == sorted(shares)
    assert list(job.result.failures) == [str(folder / "q.tif")]
    assert "Side by side in 2 processes; the largest held" in job.result.notes[0]
    assert not (tmp_path / ".temseg" / "new").exists()
    assert not children()


def test_a_worker_that_is_killed_is_replaced_and_its_picture_tried_again(folder: Path, tmp_path: Path, expected: dict[str, bytes]) -> None:
    job, killed = temseg.iter_run(folder, tmp_path, predict=SIZE, workers=2), 0
    for progress in job:
        if not killed and "p0: on the processor" in progress.message:
            killed = children()[0].pid
            os.kill(killed, signal.SIGKILL)
    assert killed
    assert content(tmp_path) == expected


def test_a_picture_that_costs_two_workers_is_refused_by_name(folder: Path, particles: temseg.Segmenter) -> None:
    tasks = [PictureTask(folder / f"{stem}.tif", stem, Recipe(), "", SIZE) for stem in ("p0", "p1")]
    works = iter([Deadly(tasks[0]), Learning(tasks[1])])
    pool = WorkerPool(2, ReadyModel(lambda: particles))
    ends = {said.stem: said for said in pool.each(lambda: next(works, None)) if said.is_end}
    pool.close()
    assert str(ends["p0"].error).startswith(f"{folder / 'p0.tif'}: the process that searched it was lost twice (SIGKILL)")
    assert ends["p1"].value.calibration.nanometres == 0.5


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_a_run_with_workers_that_is_ended_goes_on_by_the_same_command(
    folder: Path,
    tmp_path: Path,
    expected: dict[str, bytes],
    kind: signal.Signals,
    log_elsewhere: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["run", str(folder), "-o", str(tmp_path), "--typical-size", "16 px", "--workers", "2"]

    def begun() -> bool:
        return bool(list(tmp_path.glob(".temseg/pictures/*.npz")))

    if kind == signal.SIGINT:
        with interrupted(begun):
            assert main(command) == 1
        assert "stopped." in capsys.readouterr().err
        assert not children()
        assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["missing"]
    else:
        program = [sys.executable, "-m", "napari_temseg.cli", *command]
        with subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not begun():
                time.sleep(0.02)
            workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            process.send_signal(kind)
        assert not psutil.wait_procs(workers, timeout=30)[1]  # nobody goes on without the run
    assert main(command) == 1  # one file is no picture
    assert content(tmp_path) == expected


@pytest.mark.parametrize("workers", [-1, "many"])
def test_what_is_no_number_of_workers_is_refused(folder: Path, tmp_path: Path, workers: int | str) -> None:
    with pytest.raises(temseg.TemsegError, match="is no number of workers"):
        temseg.run(folder, tmp_path, workers=workers)


def test_as_many_workers_as_there_are_cores() -> None:
    assert 1 <= number_of("auto") == number_of(0) <= (os.cpu_count() or 1)
    assert "10000 workers may hold 10000 GB" in memory_note(10_000)
    assert not memory_note(0)
