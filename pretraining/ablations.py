"""What carries the network of one band: short trainings of equal length that each lack one part of the recipe.

    python pretraining/ablations.py --start particles_start.safetensors [--steps 450] [--only NAME …] [--sets catalysts emps tio2 …]

All go on from the same weights, which know none of the parts, with the same seed and number of steps, far fewer than the model that
ships: differences count, not figures. Without "size" crops are shown at any scale and all particles in them are meant. Judged on tune
parts with the size told. What is trained already is not trained again, and a training that was broken off goes on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from train_band import WITHOUT

HERE = Path(__file__).resolve().parent
WHOLE = "whole"


def variants() -> dict[str, list[str]]:
    """Further arguments of each training by name; the first is the recipe itself."""
    return {WHOLE: [], **{name: ["--without", name] for name in WITHOUT}}


def main() -> None:
    """Train what is missing, then print the tables of each variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--pool", type=int, default=80)
    parser.add_argument("--folder", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--only", nargs="+", choices=list(variants()), default=list(variants()))
    parser.add_argument("--sets", nargs="+", default=["catalysts", "emps", "tio2"])
    args = parser.parse_args()
    for name in args.only:
        further, folder = variants()[name], args.folder / name
        if not (folder / "band.safetensors").exists():
            told = ["--steps", str(args.steps), "--pool", str(args.pool), "--start", str(args.start), "--folder", str(folder)]
            subprocess.run([sys.executable, str(HERE / "train_band.py"), *told, *further], check=True)
        print(f"\n# {name if name == WHOLE else f'without {name}'}", flush=True)
        judged = [str(folder / "band.safetensors"), "--without-earlier", "--sets", *args.sets]
        subprocess.run([sys.executable, str(HERE.parent / "benchmarks" / "band.py"), *judged], check=True)


if __name__ == "__main__":
    main()
