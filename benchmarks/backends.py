"""What runs the network: processor seconds a picture by backend and precision, and what of the result hangs on it.

    python benchmarks/backends.py [--pictures N] [--data FOLDER]

Pictures of emps *tune*, sizes found, one thread; every backend that is installed searches each picture before the next picture comes, so
that a drifting machine shifts all. n, D10, D50 and Dv50 are of the particles of all pictures together, in px, as changes to the first
line: torch as it ships. Those in float32 are compared with torch in float32 too.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import napari_temseg as temseg
from napari_temseg.engine.model.backends.choice import measured, why_not
from napari_temseg.engine.model.backends.runtimes import RUNTIMES
from napari_temseg.engine.model.prediction import iter_predict
from napari_temseg.engine.model.runner import made_ready

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretraining"))
from emps import entries

SHIPS = temseg.PredictConfig(device="cpu")


def ways() -> dict[str, temseg.PredictConfig]:
    """Every backend that is installed, in both precisions."""
    found = {}
    for name in ("torch", *(name for name in RUNTIMES if not why_not(name))):
        for precision in ("auto", "float32"):
            found[f"{name}, {precision}"] = replace(SHIPS, backend=name, precision=precision)
    return found


def first_decile(diameters: np.ndarray) -> float:
    """The diameter below which a tenth of them lies."""
    return float(np.percentile(diameters, 10))


def volume_median(diameters: np.ndarray) -> float:
    """The diameter below which half the volume of spheres lies."""
    ordered = np.sort(diameters)
    share = np.cumsum(ordered**3) / np.sum(ordered**3)
    return float(np.interp(0.5, share, ordered))


def main() -> None:
    """Search all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--data", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, every = temseg.load("particles"), ways()
    networks = {name: made_ready(model, config) for name, config in every.items()}
    seconds, sizes = defaultdict(list), defaultdict(list)
    for entry in entries("tune", args.data, limit=args.pictures):
        for name, config in every.items():
            begun = time.process_time()
            said = iter_predict(model, temseg.Micrograph(entry.image), config, network=networks[name]).drain()
            seconds[name].append(time.process_time() - begun)
            sizes[name].append(temseg.measure(temseg.split(said)).table["ecd_px"].to_numpy(float))
        found = ", ".join(f"{name} {len(each[-1])} in {seconds[name][-1]:.2f} s" for name, each in sizes.items())
        print(f"{entry.name} {entry.image.shape}: {found}", flush=True)
    for first in ("torch, auto", "torch, float32"):
        print(f"\nBeside {first}\n| | s a picture | × | n | D10 | D50 | Dv50 |\n|---|---|---|---|---|---|---|")
        base = np.concatenate(sizes[first])
        for name in every:
            own = np.concatenate(sizes[name])
            changes = [len(own) / len(base), *(of(own) / of(base) for of in (first_decile, np.median, volume_median))]
            told = " | ".join(f"{100 * (each - 1):+.2f} %" for each in changes)
            print(f"| {name} | {np.mean(seconds[name]):.2f} | {np.mean(seconds[first]) / np.mean(seconds[name]):.2f} | {told} |")
    print("auto measured:", measured(model, replace(SHIPS, precision="float32")) or "nothing yet")


if __name__ == "__main__":
    main()
