"""The model that ships, looked at from four sides.

    python benchmarks/model.py groups [--part tune|score]   emps by contrast, touching or not, and particle size
    python benchmarks/model.py simulated                    by diameter, touching share and dose: recall, precision, bias of D50
    python benchmarks/model.py marks [--part tune|score]    scale bars, letters and data bars that are taken for particles
    python benchmarks/model.py cost                         MB, GFLOP and ms a megapixel beside the library's default U-Net

Nothing is chosen here. Data for `groups`: `TEMSEG_DATA` (default ../shared/data).
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretraining"))
import napari_temseg as temseg
from emps import data_folder, entries
from napari_temseg.engine.model.network import build_network, for_inference
from napari_temseg.engine.simulate.micrographs import randomised
from napari_temseg.engine.types.config import SimulateConfig

DECODERS = ((256, 128, 64, 32, 16), (128, 64, 32, 16, 16), (64, 48, 32, 16, 8), (48, 32, 24, 16, 8))  # channels
SIZES = ((6, 15), (15, 50), (50, 200), (200, 10_000))
Row = dict[str, float]


def groups(model: temseg.Segmenter, part: str, limit: int | None) -> None:
    """Mean over the micrographs of each group; median of what concerns the diameter."""
    found: list[tuple[set[str], Row]] = []
    for entry in entries(part, limit=limit):
        score = temseg.evaluate(temseg.split(temseg.predict(model, entry.image)), entry.instances)
        error = -1.0 if score.mean_diameter_error is None else score.mean_diameter_error
        size = float(entry.row["median_diameter_px"])
        names = {"all", entry.row["contrast"].replace("_", " "), "touching" if entry.row["touching"] == "True" else "apart"}
        names |= {f"{low}–{high} px" if high < 10_000 else f"> {low} px" for low, high in SIZES if low <= size < high}
        found.append((names, {"IoU": score.iou, "AP50": score.ap50, "PQ": score.pq, "error": abs(error), "bias": error}))
    print("| group | micrographs | IoU | AP50 | PQ | diameter error | diameter bias |")
    print("|---|---|---|---|---|---|---|")
    for name in sorted({name for names, _ in found for name in names}):
        rows = [row for names, row in found if name in names]
        mean = [f"{np.mean([row[key] for row in rows]):.3f}" for key in ("IoU", "AP50", "PQ")]
        middle = [f"{np.median([row[key] for row in rows]):+.1%}" for key in ("error", "bias")]
        print(f"| {name} | {len(rows)} | {' | '.join(mean + middle)} |")


def scenes(diameter: float, touching: float, dose: float, mode: str, repeats: int) -> Iterator[SimulateConfig]:
    """Pictures with as many particles as fit loosely, on a granular support."""
    side = int(np.clip(diameter * 8, 256, 1024))
    count = max(4, round(0.18 * side**2 / (np.pi / 4 * diameter**2)))
    for seed in range(repeats):
        yield SimulateConfig(
            mode=mode,
            height=side,
            width=side,
            count=min(count, 400),
            diameter=diameter,
            touching=touching,
            dose=dose,
            support=0.05,
            seed=seed,
        )


def simulated(model: temseg.Segmenter, repeats: int) -> None:
    """Recall and precision at an IoU of 0.5, and the signed bias of D50, against exact truth."""
    print("| contrast | diameter (px) | touching | dose (e/px) | recall | precision | D50 bias |\n|---|---|---|---|---|---|---|")
    for mode, diameter, touching, dose in product(("bright field", "HAADF"), (6.0, 10.0, 20.0, 60.0, 200.0), (0.0, 0.5), (20.0, 200.0)):
        truths = matched = proposed = 0
        own: list[float] = []
        true: list[float] = []
        for config in scenes(diameter, touching, dose, mode, repeats):
            drawn = temseg.simulate(config)
            parts = temseg.split(temseg.predict(model, drawn.micrograph))
            hits, n_found, n_true = matches(parts.labels, drawn.instances)
            matched, proposed, truths = matched + hits, proposed + n_found, truths + n_true
            own += diameters(parts.labels)
            true += diameters(drawn.instances)
        bias = np.median(own) / np.median(true) - 1 if own else float("nan")
        print(
            f"| {mode} | {diameter:g} | {touching:g} | {dose:g} | {matched / max(truths, 1):.3f} | {matched / max(proposed, 1):.3f} "
            f"| {bias:+.1%} |",
            flush=True,
        )


def marks(model: temseg.Segmenter, part: str, limit: int | None, repeats: int) -> None:
    """How many burnt-in marks are taken for particles: marked scale bars of emps; bars, letters, data bars over simulated ones."""
    with (Path(__file__).with_name("scale_bars.csv")).open() as file:
        bars = {row["name"]: row for row in csv.DictReader(file) if row["left"]}
    taken, shown = 0, 0
    for entry in entries(part, limit=limit):
        if (bar := bars.get(entry.name)) is None:
            continue
        labels = temseg.split(temseg.predict(model, entry.image)).labels
        rows = slice(max(0, round(float(bar["y"]) - float(bar["thickness"]) / 2)), round(float(bar["y"]) + float(bar["thickness"]) / 2) + 1)
        beneath = labels[rows, max(0, round(float(bar["left"]))) : round(float(bar["right"])) + 1]
        counts = np.bincount(beneath.ravel(), minlength=1)
        counts[0] = 0
        most = int(counts.argmax())
        # A particle that lies beneath the bar is much larger than it.
        taken += bool(counts[most] > 0.5 * beneath.size and (labels == most).sum() < 4 * beneath.size)
        shown += 1
    print(f"marked scale bars of emps {part}: {taken} of {shown} taken for particles")
    rng, spoilt, false, pictures = np.random.default_rng(11), 0, 0, 12 * repeats
    for _ in range(pictures):
        config = replace(randomised(rng, 512, 512), scale_bar=True, panel_letter=True, data_bar=bool(rng.random() < 0.5))
        drawn = temseg.simulate(config)
        labels = temseg.split(temseg.predict(model, drawn.micrograph)).labels
        area, inside = np.bincount(labels.ravel()), np.bincount(labels[drawn.overlays], minlength=int(labels.max()) + 1)
        wrong = int((inside[1:] > 0.5 * np.maximum(area[1:], 1)).sum())
        false, spoilt = false + wrong, spoilt + bool(wrong)
    print(f"simulated, each with bar and letter, half with a data bar: {false} particles made of marks, in {spoilt} of {pictures} pictures")


def matches(found: np.ndarray, truth: np.ndarray) -> tuple[int, int, int]:
    """Pairs of an IoU over 0.5 (each is the only one for both), particles found, particles there."""
    areas, true_areas = np.bincount(found.ravel()), np.bincount(truth.ravel())
    pairs, overlap = np.unique(np.stack([found.ravel(), truth.ravel()]), axis=1, return_counts=True)
    inside = (pairs > 0).all(axis=0)
    (one, other), overlap = pairs[:, inside], overlap[inside]
    hits = int((overlap / (areas[one] + true_areas[other] - overlap) > 0.5).sum())
    return hits, int((areas[1:] > 0).sum()), int((true_areas[1:] > 0).sum())


def diameters(labels: np.ndarray) -> list[float]:
    """Equivalent circular diameters in px."""
    areas = np.bincount(labels.ravel())[1:]
    return list(2 * np.sqrt(areas[areas > 0] / np.pi))


def cost(model: temseg.Segmenter) -> None:
    """One scale on one megapixel, decoders of other widths beside it.

    All in the fast mode of prediction: folded, channels last, bfloat16 where the machine has it.
    """
    import segmentation_models_pytorch as smp
    from torch.utils.flop_counter import FlopCounterMode

    networks = {"shipped model": model.network}
    for channels in DECODERS:
        spec = replace(model.spec, decoder_channels=channels)
        if spec != model.spec:
            networks[f"decoder {', '.join(map(str, channels))}"] = build_network(spec)
    networks["library's default U-Net (ResNet34)"] = smp.Unet(encoder_weights=None, in_channels=1)
    image = torch.zeros(1, 1, 1024, 1024).to(memory_format=torch.channels_last)
    times: dict[str, float] = {}
    print("| network | MB on disk (half precision) | GFLOP / Mpx | ms / Mpx | time / default |\n|---|---|---|---|---|")
    lines = []
    for name, network in networks.items():
        fused = for_inference(network, torch.device("cpu"), torch.bfloat16)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            fused(image.bfloat16())
        with torch.no_grad():
            runs = []
            for _ in range(5):
                begun = time.perf_counter()
                fused(image.bfloat16())
                runs.append(time.perf_counter() - begun)
        times[name] = float(np.median(runs)) / 1.048576
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.pt"
            torch.save({key: value.half() for key, value in network.state_dict().items()}, path)
            size = os.path.getsize(path) / 1e6
        lines.append((name, size, counter.get_total_flops() / 1e9 / 1.048576))
    for name, size, flops in lines:
        ratio = times[name] / list(times.values())[-1]
        print(f"| {name} | {size:.1f} | {flops:.0f} | {1000 * times[name]:.0f} | {ratio:.2f} |")
    scaled = sum(scale**2 for scale in model.scales)
    print(f"\nThe shipped model looks at scales {', '.join(f'{s:g}' for s in model.scales)}: {scaled:.2f} × the work of one.")


def main(arguments: list[str] | None = None) -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("groups", "simulated", "marks", "cost"))
    parser.add_argument("--part", choices=("score", "tune"), default="score")
    parser.add_argument("--model", default="particles")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--repeats", type=int, default=3, help="pictures of each kind (simulated)")
    args = parser.parse_args(arguments)
    model = temseg.load(args.model)
    if args.what in ("groups", "marks") and not data_folder().is_dir():
        parser.error(f"{data_folder()} is not there; set TEMSEG_DATA to the folder with emps")
    print(f"model {model.content_hash()[:12]}\n")
    if args.what == "groups":
        groups(model, args.part, args.limit)
    elif args.what == "marks":
        marks(model, args.part, args.limit, args.repeats)
    elif args.what == "simulated":
        simulated(model, args.repeats)
    else:
        cost(model)


if __name__ == "__main__":
    main()
