"""Runs that end before their end: what is left in the folder, and whether the same command then gives what an unbroken run gives.

    python benchmarks/interrupted.py [--pictures 6] [--kills 10] [--seed 1] [--workers 1]

`temseg run` over small simulated pictures with the shipped model is killed (SIGKILL) at `--kills` random moments, stopped by Ctrl-C, met by
a second run into its folder, by a disk that is full after some files, and by older results of other settings. Each line tells what was
left: pictures that the table holds, whether each of its rows is one of the label image beside it ("whole"), and what the summary says is
missing, or without a table whether UNFINISHED.txt says what the label images are; then the exit code of the same command, and whether
every file is byte for byte that of an unbroken run. Exit code 1 where not.
With `--workers` the pictures of all but the unbroken run are searched side by side in so many processes.
For systems that can fork; a limit for the size of a file stands for the full disk.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import napari_temseg as temseg
from napari_temseg.cli.main import main as command
from napari_temseg.engine.types.config import SimulateConfig
from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.files.tables import read_labels
from napari_temseg.pipeline.run_folder import UNFINISHED


def run(folder: Path, output: Path, *more: str, said: Path | None = None) -> int:
    """The command in this process; its exit code. What it says goes to a file, or nowhere."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        code = command(["run", str(folder), "-o", str(output), "--typical-size", "16 px", *more])
    if said is not None:
        said.write_text(text.getvalue(), encoding="utf-8")
    return code


def started(work: Callable[[], int]) -> int:
    """Do it in a child, whose process id is returned."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        code = work()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """The exit code of a child, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*") if path.is_file()}


def left(output: Path) -> str:
    """What a broken run left: pictures in the table, whether they are whole, and what is said to be missing."""
    table, summary = output / "particles.csv", output / "summary.json"
    said_so = (output / UNFINISHED).exists()
    if not table.exists():
        labels = len(list(output.glob("*_particles.tif")))
        return f"{labels} label images, {'said not to be finished' if said_so else 'NOTHING SAID' if labels else 'nothing begun'}"
    rows = pd.read_csv(table)
    if rows.empty:
        return f"0 pictures, whole, {len(json.loads(summary.read_text(encoding='utf-8'))['missing'])} said to be missing"
    sizes = {name: np.bincount(read_labels(output / f"{name}_particles.tif").ravel())[1:].tolist() for name in rows["image"].unique()}
    column = "area_nm2" if rows["area_nm2"].notna().all() else "area_px2"
    scale = 0.25 if column == "area_nm2" else 1.0
    whole = all((group[column] / scale).round().astype(int).tolist() == sizes[name] for name, group in rows.groupby("image"))
    said = json.loads(summary.read_text(encoding="utf-8"))
    missing = f"{len(said['missing'])} said to be missing" if not said["complete"] else "not finished" if said_so else "complete"
    return f"{len(sizes)} pictures, {'whole' if whole else 'NOT WHOLE'}, {missing}"


class Case:
    """Pictures, what an unbroken run makes of them, and how long that takes."""

    def __init__(self, folder: Path, pictures: int, workers: int) -> None:
        self.pictures, self.root, self.bad, self.workers = folder / "pictures", folder, 0, workers
        self.pictures.mkdir()
        for seed in range(pictures):
            drawn = temseg.simulate(SimulateConfig(seed=seed, width=160, height=160, count=12, diameter=16, pixel_size=0.5))
            grey = drawn.micrograph.plane(0)
            write_tiff(self.pictures / f"p{seed}.tif", grey.astype(np.float32), drawn.micrograph.calibration)
        run(self.pictures, folder / "warm")  # the model is loaded in this process, and so in every child
        begun = time.perf_counter()
        run(self.pictures, folder / "unbroken")
        self.seconds = time.perf_counter() - begun
        if workers > 1:  # which take longer to begin
            begun = time.perf_counter()
            self.run(folder / "unbroken_workers")
            self.seconds = time.perf_counter() - begun
        self.expected = content(folder / "unbroken")

    def run(self, output: Path, *more: str, said: Path | None = None) -> int:
        """The command as it may be broken."""
        return run(self.pictures, output, "--workers", str(self.workers), *more, said=said)

    def again(self, name: str, output: Path, what: str) -> None:
        """Say what was left, run the same command, and compare."""
        before = left(output)
        code = self.run(output)
        equal = content(output) == self.expected
        self.bad += not equal or code != 0 or "NOT WHOLE" in before or "NOTHING SAID" in before
        print(f"{name:<34}{what:<34}{before:<48}{code:>3}  {'equal' if equal else 'DIFFERENT'}", flush=True)


def killed(case: Case, number: int, moment: float, kind: int = signal.SIGKILL) -> None:
    """Send a signal to a run after some seconds."""
    output = case.root / f"{signal.Signals(kind).name}{number}"
    child = started(lambda: case.run(output))
    time.sleep(moment)
    os.kill(child, kind)
    code = ended(child)
    name = f"{signal.Signals(kind).name} after {moment:.1f} s"
    case.again(name, output, "it had ended" if code == 0 else f"ended with {code}")


def met(case: Case) -> None:
    """A second run into the folder of one that goes on."""
    output, said = case.root / "both", case.root / "said.txt"
    first = started(lambda: case.run(output))
    while not (output / ".temseg" / "owner.json").exists():
        time.sleep(0.05)
    second = ended(started(lambda: case.run(output, said=said)))
    case.bad += second == 0 or "is writing its results there" not in said.read_text(encoding="utf-8")
    case.again("two runs at once", output, f"ended with {ended(first)} and {second}")


def full(case: Case) -> None:
    """Files above a limit cannot be written, as on a full disk."""
    largest = max(len(held) for held in case.expected.values())
    output, said = case.root / "full", case.root / "full.txt"

    def limited() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest // 2, resource.RLIM_INFINITY))
        code = case.run(output)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        said.write_text(str(code), encoding="utf-8")
        return code

    code = ended(started(limited))
    case.bad += code != 1
    case.again("a full disk", output, f"ended with {code}")


def older(case: Case) -> None:
    """Results of other settings lie in the folder."""
    output = case.root / "other"
    case.run(output, "--min-diameter", "14")
    earlier = content(output)
    child = started(lambda: case.run(output))
    time.sleep(case.seconds / 2)
    os.kill(child, signal.SIGKILL)
    code = ended(child)
    case.again("older results, then SIGKILL", output, f"ended with {code}")
    kept = [content(path) for path in (output / "older").iterdir()]
    case.bad += kept != [earlier]
    print(f"{'':<34}older/ holds {'the earlier run, unchanged' if kept == [earlier] else 'SOMETHING ELSE'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=6, help="simulated pictures of a run")
    parser.add_argument("--kills", type=int, default=10, help="random moments at which a run is killed")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--workers", type=int, default=1, help="processes side by side")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as name:
        case = Case(Path(name), options.pictures, options.workers)
        print(f"An unbroken run of {options.pictures} pictures takes {case.seconds:.1f} s.")
        print(f"{'what happened':<34}{'the run':<34}{'what was left':<48} rc  files of the same command")
        for number, moment in enumerate(rng.uniform(0, case.seconds, options.kills)):
            killed(case, number, float(moment))
        for number, moment in enumerate(rng.uniform(0.3, 0.8, 2) * case.seconds):
            killed(case, number, float(moment), signal.SIGINT)
        for other in (met, full, older):
            other(case)
    print("all whole and equal" if not case.bad else f"{case.bad} are not")
    sys.exit(bool(case.bad))


if __name__ == "__main__":
    main()
