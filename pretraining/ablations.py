"""What carries the particle model: short trainings of equal length that each lack one thing, and decoders of several widths.

    python pretraining/ablations.py --start particles_start.safetensors [--imagenet FILE] [--steps 1000] [--part tune|score] [--only NAME …]

The first variants go on from earlier weights (`--start`) with the same seed and the same number of steps, far fewer than the model that
ships: differences count, not figures. Then new decoders learn along with an encoder: that of the start, with and without a distance
map, and ImageNet's. Decoders of other widths learn on the frozen encoder of the model that ships. What is trained already is not
trained again, and a training that was broken off goes on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

import napari_temseg as temseg
from emps import Entry, entries
from napari_temseg.engine.types.config import PredictConfig, SplitConfig

WIDTHS = ("256,128,64,32,16", "128,64,32,16,16", "64,48,32,16,8", "48,32,24,16,8")
SIZE = 192
KEYS = ("IoU", "AP50", "PQ", "diameter error")


def variants(start: Path, imagenet: Path | None, shipped: Path) -> dict[str, list[str]]:
    """Arguments of each training by name; the first is the recipe itself."""
    on = ["--start", str(start)]
    found: dict[str, list[str]] = {
        "the recipe": on,
        "without simulated pictures": [*on, "--simulated", "0"],
        "without burnt-in marks": [*on, "--marked", "0"],
        "crops scaled by ÷1.1 to ×1.1 only": [*on, "--scaling", "0.1"],
        "new decoder": ["--encoder", str(start)],
        "new decoder without the distance map": ["--encoder", str(start), "--without-distance"],
    }
    if imagenet is not None:
        found["new decoder, encoder from ImageNet"] = ["--encoder", str(imagenet)]
    for width in WIDTHS:
        found[f"decoder {width} on the frozen encoder of the shipped model"] = ["--encoder", str(shipped), "--freeze", "--decoder", width]
    return found


def place(folder: Path, name: str) -> Path:
    """The folder of a variant."""
    return folder / name.replace(" ", "_").replace(",", "-")


def score(model: temseg.Segmenter, scored: list[Entry], scales: tuple[float, ...] | None) -> dict[str, float]:
    """Means over the micrographs; the median of the diameter error."""
    rows = []
    for entry in scored:
        prediction = temseg.predict(model, entry.image, PredictConfig(scales=scales))
        judged = temseg.evaluate(temseg.split(prediction, SplitConfig()), entry.instances)
        error = judged.mean_diameter_error
        rows.append((judged.iou, judged.ap50, judged.pq, 1.0 if error is None else abs(error)))
    table = np.array(rows)
    return dict(zip(KEYS, [*table[:, :3].mean(axis=0), float(np.median(table[:, 3]))], strict=True))


def main() -> None:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=Path, required=True, help="weights that the first variants go on from")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--part", choices=("tune", "score"), default="tune")
    parser.add_argument("--folder", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--imagenet", type=Path, help="ImageNet weights of the encoder (.safetensors)")
    parser.add_argument("--only", nargs="*", help="names, or beginnings of names, of the variants wanted")
    parser.add_argument("--limit", type=int, help="only the first N micrographs")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    shipped = Path(temseg.__file__).parent / "models" / "particles.temseg"
    wanted = variants(args.start, args.imagenet, shipped)
    chosen = {name: how for name, how in wanted.items() if not args.only or name.startswith(tuple(args.only))}
    program = Path(__file__).with_name("train_particles.py")
    for name, how in chosen.items():
        folder = place(args.folder, name)
        if not (folder / "particles.temseg").exists():
            always = ["--steps", str(args.steps), "--size", str(SIZE), "--folder", str(folder), "--threads", str(args.threads)]
            subprocess.run([sys.executable, str(program), *always, *how], check=True)
    scored = list(entries(args.part, limit=args.limit))
    print(f"\n{args.steps} steps of 8 crops of {SIZE}² each; {len(scored)} micrographs of {args.part}\n")
    print(f"| variant | scales | {' | '.join(KEYS)} |\n|---|---|---|---|---|---|")
    for name in chosen:
        model = temseg.load(place(args.folder, name) / "particles.temseg")
        looks: dict[str, tuple[float, ...] | None] = {"found" if model.finds_scale else "1, 0.7, 0.5": None}
        if name in ("the recipe", "crops scaled by ÷1.1 to ×1.1 only"):
            looks |= {"1, 0.7, 0.5": (1.0, 0.7, 0.5), "1": (1.0,), "0.7": (0.7,)}
        for label, scales in looks.items():
            row = score(model, scored, scales)
            print(
                f"| {name} | {label} | {row['IoU']:.3f} | {row['AP50']:.3f} | {row['PQ']:.3f} | {row['diameter error']:.1%} |", flush=True
            )


if __name__ == "__main__":
    main()
