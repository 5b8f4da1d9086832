"""The network of one band, told the size, beside the model that ships: tune parts only, for choosing.

    python benchmarks/band.py band.safetensors [--sets catalysts emps tio2 powder superalloy] [--ways depth border votes] [--ledger FILE]

The size told is the median of the truth (of the sides of the boxes where there are but boxes). The model that ships runs as it comes
(`ships`) and with `typical_size` told (`ships, told`); its figures are kept in the ledger.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

import napari_temseg as temseg
from accuracy_common import Ledger
from band_sets import SETS, Case, score, summary
from band_splits import Splitting, particles
from napari_temseg.engine.model.band import BandNetwork
from napari_temseg.engine.model.band_prediction import BandRunner
from napari_temseg.engine.model.segmenter import Normalisation


def network(path: Path) -> BandNetwork:
    """A trained network, in single precision."""
    made = BandNetwork()
    made.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in load_file(path).items()})
    return made.eval()


def shipped(case: Case, told: bool) -> dict[str, float]:
    """The model that ships on one picture."""
    start = time.process_time()
    config = temseg.PredictConfig(typical_size=case.size if told else None)
    labels = temseg.split(temseg.predict("particles", case.image, config)).labels
    return {**score(case, labels), "seconds": time.process_time() - start}


def banded(runner: BandRunner, case: Case, ways: list[Splitting], polarity: bool, flattened: bool, factor: float) -> list[dict[str, float]]:
    """The network on one picture, parted in each of the ways."""
    start = time.process_time()
    plane = Normalisation().apply(case.image)
    answer = runner.answer(plane, case.size * factor, case.polarity if polarity else 0, flattened=flattened)
    network_seconds, out = time.process_time() - start, []
    for way in ways:
        start = time.process_time()
        labels = particles(answer, way)
        spent = time.process_time() - start + network_seconds
        out.append({**score(case, labels), "seconds": spent})
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
    parser.add_argument("--ways", nargs="+", default=["depth"])
    parser.add_argument("--strengths", nargs="+", type=float, default=[0.5])
    parser.add_argument("--thresholds", nargs="+", type=float, default=[0.5])
    parser.add_argument("--sure", nargs="+", type=float, default=[0.3])
    parser.add_argument("--polarity", action="store_true", help="tell the polarity too")
    parser.add_argument("--unflattened", action="store_true", help="leave the second plane empty")
    parser.add_argument("--factor", type=float, default=1.0, help="by which the size that is told is off")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--without-shipped", action="store_true")
    parser.add_argument("--ledger", type=Path, help="JSON lines of what the shipped model gave")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    """Print a table for each group."""
    args = options()
    torch.set_num_threads(1)
    runner = BandRunner(network(args.weights))
    ways = [Splitting(w, t, s, c) for w in args.ways for t in args.thresholds for s in args.strengths for c in args.sure]
    ledger = Ledger(args.ledger, temseg.load("particles").content_hash())
    everything: dict[str, Any] = {}
    for name in args.sets:
        groups: dict[str, dict[str, list[dict[str, float]]]] = {}
        for case in SETS[name]()[: args.limit]:
            rows = groups.setdefault(case.group, {})
            if not args.without_shipped:
                for told, word in ((False, "ships"), (True, "ships, told")):
                    found = ledger.get(lambda case=case, told=told: shipped(case, told), word, case.group, case.name)
                    rows.setdefault(word, []).append(found)
            for way, found in zip(ways, banded(runner, case, ways, args.polarity, not args.unflattened, args.factor), strict=True):
                label = f"{way.way} t{way.threshold:g} s{way.strength:g} c{way.sure:g}"
                rows.setdefault(label, []).append({**found, "name": case.name})  # type: ignore[dict-item]
        for group, rows in groups.items():
            tables = {word: {**summary(found), "s": float(np.median([row["seconds"] for row in found]))} for word, found in rows.items()}
            print(f"\n**{group}**\n\n{table(tables)}", flush=True)
            everything[group] = {"rows": rows, "summary": tables}
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1, default=float))


if __name__ == "__main__":
    main()
