"""Processor seconds from the start of a program to its answer, beside `import torch` in the same run.

    python benchmarks/startup.py [--rounds N] [--size PX] [--before FOLDER]

Every line is a process of its own, on one thread, and all take turns, after a round that does not count: it compiles all that is
imported, as pip does when it installs, and measures the backends where no run did. --before names the `src` folder of another version,
which is measured beside this one. Processor time says what a start costs, wall time what else the machine did; where files were never
read before, their reading comes on top.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

import napari_temseg as temseg

HERE = Path(__file__).resolve().parents[1] / "src"
PEER = "import torch"
# The dock is open and nothing was searched yet: what the first click costs.
FIRST_SEARCH = """
import sys, time
import napari_temseg.widgets.workbench
import napari_temseg as temseg
from napari_temseg.pipeline.find import iter_find
from napari_temseg.widgets.jobs.preload import load_compiler
image = temseg.read(sys.argv[1])
begun = time.process_time()
load_compiler()
iter_find("particles", [image]).drain()
print(time.process_time() - begun)
"""


def environment(source: Path) -> dict[str, str]:
    """Of a process: one thread, no screen, and bytecode that is kept (`main` says where)."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "QT_QPA_PLATFORM": "offscreen"}


def whole(command: list[str], source: Path) -> float:
    """Processor seconds of a process, from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment(source), capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def told(command: list[str], source: Path) -> float:
    """Processor seconds that a process itself tells."""
    done = subprocess.run(command, env=environment(source), capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def programs(source: Path, picture: Path, folder: Path) -> dict[str, Callable[[], float]]:
    """What is measured of one version, by name."""
    temseg = [sys.executable, "-m", "napari_temseg.cli"]
    numbers = iter(range(1000))

    def run() -> float:
        return whole([*temseg, "run", str(picture), "-o", str(folder / f"{source.parent.name}{next(numbers)}")], source)

    return {
        "`import napari_temseg`": lambda: whole([sys.executable, "-c", "import napari_temseg"], source),
        "`temseg --help`": lambda: whole([*temseg, "--help"], source),
        "`temseg info FILE`": lambda: whole([*temseg, "info", str(picture)], source),
        "`temseg info`": lambda: whole([*temseg, "info"], source),
        "`temseg models`": lambda: whole([*temseg, "models"], source),
        "`temseg run FILE`": run,
        "first search of a window that is open": lambda: told([sys.executable, "-c", FIRST_SEARCH, str(picture)], source),
    }


def main() -> None:
    """Measure in turns and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=512, help="px of the simulated picture")
    parser.add_argument("--before", type=Path, help="`src` folder of another version")
    args = parser.parse_args()
    sources = {"ours": HERE, **({"before": args.before.resolve()} if args.before else {})}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
        picture = folder / "picture.png"
        simulated = temseg.simulate(temseg.SimulateConfig(height=args.size, width=args.size)).micrograph.plane(0)
        Image.fromarray(simulated).save(picture)
        versions = {version: programs(source, picture, folder) for version, source in sources.items()}
        seconds: dict[tuple[str, str], list[float]] = {}
        for turn in range(args.rounds + 1):
            if turn == 1:
                seconds.clear()
            seconds.setdefault(("peer", PEER), []).append(whole([sys.executable, "-c", PEER], HERE))
            for program in versions["ours"]:
                for version, measured in versions.items():
                    seconds.setdefault((version, program), []).append(measured[program]())
    median = {key: statistics.median(values) for key, values in seconds.items()}
    peer = median["peer", PEER]
    print(f"processor seconds, median of {args.rounds}, a picture of {args.size}² px; `{PEER}`: {peer:.2f} s\n")
    print("| | s | × `import torch` |" + (" before: s | before / now |" if args.before else ""))
    print("|---|---|---|" + ("---|---|" if args.before else ""))
    for program in versions["ours"]:
        now = median["ours", program]
        before = f" {median['before', program]:.2f} | {median['before', program] / now:.1f} |" if args.before else ""
        print(f"| {program} | {now:.2f} | {now / peer:.2f} |{before}")


if __name__ == "__main__":
    main()
