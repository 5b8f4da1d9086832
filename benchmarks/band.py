"""A model for one band of sizes beside the one that earlier versions shipped, on tune parts only, for choosing.

    python benchmarks/band.py band.safetensors|band.temseg [--sets catalysts emps tio2 powder superalloy] [--untold] [--ledger FILE]

The size told is the median of the truth (of the sides of the boxes where there are but boxes). The earlier model runs as it comes
(`earlier`) and with `typical_size` told (`earlier, told`); its figures are kept in the ledger.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

import napari_temseg as temseg
from accuracy_common import Ledger
from band_model import of_weights
from band_sets import SETS, Case, score, summary

EARLIER = Path(__file__).resolve().parents[1] / "tests" / "models" / "several_scales.temseg"
POLARITY = {1: "bright", -1: "dark", 0: "auto"}


def earlier(model: temseg.Segmenter, case: Case, told: bool) -> dict[str, float]:
    """The earlier model on one picture."""
    start = time.process_time()
    config = temseg.PredictConfig(typical_size=case.size if told else None)
    labels = temseg.split(temseg.predict(model, case.image, config)).labels
    return {**score(case, labels), "seconds": time.process_time() - start}


def banded(model: temseg.Segmenter, case: Case, config: temseg.PredictConfig, ways: list[temseg.SplitConfig]) -> list[dict[str, float]]:
    """The model on one picture, split in each of the ways; `size` is that which it answered for, as a ratio to the true one."""
    start = time.process_time()
    prediction = temseg.predict(model, case.image, config)
    predicting, out = time.process_time() - start, []
    for way in ways:
        start = time.process_time()
        labels = temseg.split(prediction, way).labels
        spent = time.process_time() - start + predicting
        facts = {"size": prediction.size / case.size, "asked": float(len(prediction.candidates))}
        out.append({**score(case, labels), **facts, "seconds": spent})
    return out


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Markdown; figures that a set does not have are left out."""
    keys = list(dict.fromkeys(key for row in rows.values() for key in row))
    lines = ["| | " + " | ".join(keys) + " |", "|---" * (len(keys) + 1) + "|"]
    for name, row in rows.items():
        cells = [f"{row[key]:.3f}" if isinstance(row.get(key), float) else str(row.get(key, "–")) for key in keys]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--edge", type=float, default=0.5, help="foreground probability of .safetensors weights at which outlines lie")
    parser.add_argument("--strengths", nargs="+", type=float, default=[0.5])
    parser.add_argument("--thresholds", nargs="+", type=float, default=[0.5])
    parser.add_argument("--sure", nargs="+", type=float, default=[None])
    parser.add_argument("--polarity", action="store_true", help="tell the polarity too")
    parser.add_argument("--untold", action="store_true", help="do not tell the size")
    parser.add_argument("--factor", type=float, default=1.0, help="by which the size that is told is off")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--without-earlier", action="store_true")
    parser.add_argument("--ledger", type=Path, help="JSON lines of what the earlier model gave")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    """Print a table for each group."""
    args = options()
    torch.set_num_threads(1)
    model = temseg.load(args.weights) if args.weights.suffix == ".temseg" else of_weights(args.weights, args.edge)
    choices = product(args.thresholds, args.strengths, args.sure)
    ways = [temseg.SplitConfig(threshold=t, strength=s, certainty=c, min_diameter=0.0) for t, s, c in choices]
    before = temseg.load(EARLIER)
    ledger = Ledger(args.ledger, before.content_hash())
    everything: dict[str, Any] = {}
    for name in args.sets:
        groups: dict[str, dict[str, list[dict[str, float]]]] = {}
        for case in SETS[name]()[: args.limit]:
            rows = groups.setdefault(case.group, {})
            if not args.without_earlier:
                for told, word in ((False, "earlier"), (True, "earlier, told")):
                    found = ledger.get(lambda case=case, told=told: earlier(before, case, told), word, case.group, case.name)
                    rows.setdefault(word, []).append(found)
            config = temseg.PredictConfig(typical_size=None if args.untold else max(2.0, case.size * args.factor))
            if args.polarity:
                config = replace(config, polarity=POLARITY[case.polarity])
            for way, found in zip(ways, banded(model, case, config, ways), strict=True):
                label = f"t{way.threshold:g} s{way.strength:g} c{way.certainty}"
                rows.setdefault(label, []).append({**found, "name": case.name})  # type: ignore[dict-item]
        for group, rows in groups.items():
            tables = {word: {**summary(found), "s": float(np.median([row["seconds"] for row in found]))} for word, found in rows.items()}
            print(f"\n**{group}**\n\n{table(tables)}", flush=True)
            everything[group] = {"rows": rows, "summary": tables}
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1, default=float))


if __name__ == "__main__":
    main()
