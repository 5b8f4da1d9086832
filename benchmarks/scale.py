"""Many pictures: how much memory `temseg run` takes as it goes on, and what it costs to be killed in the middle.

    python benchmarks/scale.py folder [--pictures 200] [--side 0] [--every 20] [--workers 1]
    python benchmarks/scale.py workers [--pictures 24] [--workers 2]
    python benchmarks/scale.py planes [--planes 50 300] [--side 1024] [--diameter 24]
    python benchmarks/scale.py large [--side 12000]

`folder` runs over EMPS micrographs (parts *train* and *tune*; when these are used up, their lower right parts), kills the run (SIGKILL)
when half of them are done, and gives the same command again. Every `--every` seconds a line tells the pictures that are done and the
memory in use: of the process, resident, and of it what is its own (not files of libraries or mapped pictures); the last ones what is in
the report. With `--side` pictures are parts of so many px, told that particles are 24 px wide: 10,000 of them in an hour of one core.
`workers` runs over as many with one process and with `--workers`, and prints seconds of the clock and of processors a picture, their
ratio, and whether all files are the same. `planes` runs over simulated stacks, told the size of the particles, and `large` over one plane;
both print the most that is resident by the share of the run, and the former whether that is flat: within 5 % between the second tenth and
the ninth of each stack. The last lines of what a run said are printed where it fails.
3,000 planes of 1024² need 30 GB of disk (`TMPDIR`). For Linux.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import tifffile

from napari_temseg import simulate
from napari_temseg.engine.types.config import SimulateConfig

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretraining"))
from emps import entries

MB = 2**20
EACH = 0.5  # seconds between two looks at the memory


@dataclass
class Watched:
    """A run that is watched: (seconds, pictures done, resident and own bytes) each time, its exit code, processor seconds."""

    seen: list[tuple[float, int, int, int]] = field(default_factory=list)
    code: int = 0
    seconds: float = 0.0

    def most(self, first: int, last: int) -> str:
        """The most resident memory while from `first` to `last` pictures were done."""
        found = [resident for _, done, resident, _ in self.seen if first <= done <= last]
        return f"{max(found) / MB:.0f} MB" if found else "–"

    def took(self, done: int) -> float:
        """Seconds of the clock since so many pictures are done."""
        return self.seen[-1][0] - next((seconds for seconds, pictures, _, _ in self.seen if pictures >= done), self.seen[-1][0])


def tree(process: int) -> Iterator[int]:
    """A process and those that it started."""
    yield process
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from tree(int(child))


def memory(process: int) -> tuple[int, int]:
    """Bytes that a process and its children hold resident, and those of them that are not of files."""
    sums = [0, 0]
    for one in tree(process):
        try:
            lines = Path(f"/proc/{one}/status").read_text().splitlines()
        except OSError:
            continue
        for place, name in enumerate(("VmRSS:", "RssAnon:")):
            sums[place] += sum(1024 * int(line.split()[1]) for line in lines if line.startswith(name))
    return sums[0], sums[1]


def watched(command: list[str], output: Path, every: float, stop: Callable[[int], bool] = lambda done: False) -> Watched:
    """Run the command to its end, or kill it when `stop` says so of the number of pictures done."""
    found, begun, last = Watched(), time.perf_counter(), -every
    before = os.times()
    with (output.parent / f"{output.name}.log").open("ab") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        while process.poll() is None:
            seconds, done = time.perf_counter() - begun, len(list((output / ".temseg" / "pictures").glob("*.npz")))
            found.seen.append((seconds, done, *memory(process.pid)))
            if seconds - last >= every:
                last = seconds
                print(f"{seconds:8.0f} s {done:6} done {found.seen[-1][2] / MB:8.0f} MB resident {found.seen[-1][3] / MB:8.0f} MB its own")
                sys.stdout.flush()
            if stop(done):
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(EACH)
        found.code = process.wait()
    if found.code not in (0, -signal.SIGKILL):
        print("".join(output.with_name(f"{output.name}.log").read_text(errors="replace").splitlines(keepends=True)[-5:]))
    after = os.times()
    found.seconds = sum(after[2:4]) - sum(before[2:4])
    return found


def temseg(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "napari_temseg.cli", *map(str, words)]


def write_pictures(folder: Path, count: int, side: int = 0) -> float:
    """EMPS micrographs, and when these are used up, their lower right parts, or parts of this `side`; million px of one on average."""
    folder.mkdir()
    known, pixels, random = [*entries("train"), *entries("tune")], 0, np.random.default_rng(0)
    for number in range(count):
        again = 40 * (number // len(known))
        image = known[number % len(known)].image
        if side:
            top, left = (int(random.integers(0, max(1, n - side))) for n in image.shape)
            image = image[top : top + side, left : left + side]
        else:
            image = image[again:, again:]
        pixels += image.size
        iio.imwrite(folder / f"p{number:04}.png", image)
    return pixels / count / 1e6


def folder(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        pictures, output = Path(name, "pictures"), Path(name, "results")
        write_pictures(pictures, options.pictures, options.side or 0)
        told = ["--typical-size", "24 px"] if options.side else []
        command = temseg("run", pictures, "-o", output, "--workers", str(options.workers), *told)
        half = options.pictures // 2
        print(f"{options.pictures} pictures, killed when {half} are done")
        first = watched(command, output, options.every, lambda done: done >= half)
        print(f"killed: {first.seen[-1][1]} done, {first.seconds:.0f} s of processor; the same command")
        second = watched(command, output, options.every)
        n = options.pictures
        print(f"exit code {second.code}, {second.seconds:.0f} s of processor")
        tenth = max(1, n // 20)
        print(f"most resident while the first {tenth} were searched: {first.most(0, tenth)}")
        print(f"the last before the kill: {first.most(half - tenth, half)}")
        print(f"the last of all: {second.most(n - tenth, n - 1)}")
        print(f"the table, the report and the rest of the end: {second.most(n, n)}, {second.took(n):.0f} s")
        report, beside = output / "report.html", list((output / "figures" / "pictures").glob("*"))
        print(f"report.html {report.stat().st_size / MB:.1f} MB, {len(beside)} files of pictures beside it, {size_of(beside) / MB:.0f} MB")
        print(
            f"particles.csv {(output / 'particles.csv').stat().st_size / MB:.1f} MB, all results {size_of(output.rglob('*')) / MB:.0f} MB"
        )


def size_of(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*") if path.is_file()}


def workers(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        pictures, n = Path(name, "pictures"), options.pictures
        size = write_pictures(pictures, n)
        os.environ["OMP_NUM_THREADS"] = "1"
        clock, outputs = [], []
        for count in (1, options.workers):
            outputs.append(Path(name, f"results{count}"))
            found = watched(temseg("run", pictures, "-o", outputs[-1], "--workers", str(count)), outputs[-1], options.every)
            clock.append(found.seen[-1][0])
            told = f"{clock[-1] / n:.2f} s of the clock and {found.seconds / n:.2f} s of processor a picture of {size:.2f} million px"
            print(f"{count} workers: exit code {found.code}, {told}, at most {found.most(0, n)} resident")
        same = files_of(outputs[0]) == files_of(outputs[1])
        print(f"{clock[0] / clock[1]:.2f} times as fast; the files are {'the same' if same else 'NOT THE SAME'}")


def simulated(side: int, seed: int, diameter: int = 24) -> np.ndarray:
    """A plane of discs (`diameter` px) in noise, uint8."""
    count = max(2, 60 * 24**2 // diameter**2)
    config = SimulateConfig(seed=seed, width=512, height=512, count=count, diameter=diameter, pixel_size=0.5)
    tile = np.asarray(simulate(config).micrograph.plane(0), np.float32)
    tile = np.clip(128 + 40 * (tile - tile.mean()) / tile.std(), 1, 255).astype(np.uint8)
    times = -(-side // 512)
    return np.tile(tile, (times, times))[:side, :side]


def tenths(found: Watched) -> list[float]:
    """The most resident memory (MB) in each tenth of a run."""
    end = found.seen[-1][0]
    return [max((one[2] for one in found.seen if k * end / 10 <= one[0] <= (k + 1) * end / 10), default=0) / MB for k in range(10)]


def shares(found: Watched) -> str:
    return " ".join(f"{each:.0f}" for each in tenths(found))


def flat(found: Watched) -> str:
    """Whether memory stayed the same while planes were searched; the end, where table and report are written, is told apart."""
    each = tenths(found)
    return f"{'flat' if max(each[1:9]) <= 1.05 * each[1] else 'NOT FLAT'} while searched, {each[9] / each[1]:.2f} × at the end"


def planes(options: argparse.Namespace) -> None:
    side = options.side or 1024
    few = [simulated(side, seed, options.diameter) for seed in range(8)]
    for count in options.planes:
        with tempfile.TemporaryDirectory() as name:
            path, output = Path(name, "stack.tif"), Path(name, "results")
            pages = (np.roll(few[number % 8], 7 * number, axis=1).astype(np.uint16) * 100 for number in range(count))
            big = 2 * count * side**2 > 2**32 - 2**25
            tifffile.imwrite(path, pages, shape=(count, side, side), dtype=np.uint16, photometric="minisblack", bigtiff=big)
            print(f"{path.stat().st_size / 2**30:.2f} GB, {'BigTIFF' if big else 'TIFF'}")
            found = watched(
                temseg("run", path, "-o", output, "--axes", "time", "--typical-size", f"{options.diameter} px"), output, options.every
            )
            print(f"{count} planes of {side}²: exit code {found.code}, {found.seconds:.0f} s of processor, MB by tenths: {shares(found)}")
            print(f"    {flat(found)}")


def large(options: argparse.Namespace) -> None:
    side = options.side or 12000
    with tempfile.TemporaryDirectory() as name:
        path, output = Path(name, "large.tif"), Path(name, "results")
        tifffile.imwrite(path, simulated(side, 0))
        found = watched(temseg("run", path, "-o", output), output, options.every)
        print(f"{side}²: exit code {found.code}, {found.seconds:.0f} s of processor, MB by tenths: {shares(found)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("folder", "workers", "planes", "large"))
    parser.add_argument("--pictures", type=int, help="of a folder (200, to compare workers 24)")
    parser.add_argument("--workers", type=int, help="processes side by side (1, to compare 2)")
    parser.add_argument("--planes", type=int, nargs="+", default=[50, 300], help="of each stack")
    parser.add_argument("--side", type=int, help="px of a plane (1024, of a large one 12000), or of parts of pictures")
    parser.add_argument("--diameter", type=int, default=24, help="px of the particles of stacks; larger ones cost less")
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two lines")
    options = parser.parse_args()
    options.pictures = options.pictures or (24 if options.what == "workers" else 200)
    options.workers = options.workers or (2 if options.what == "workers" else 1)
    {"folder": folder, "workers": workers, "planes": planes, "large": large}[options.what](options)


if __name__ == "__main__":
    main()
