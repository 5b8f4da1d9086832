"""How well the scale bar of a micrograph is found, beside a plain search for saturated pixels in the same run.

    python benchmarks/scale_bars.py [--part train|tune|score] [--misses]

Truth: `scale_bars.csv`, bars of EMPS micrographs marked by eye (outer edges, px). A bar is found when both ends lie within 2 px of the
marks. `value` is what is written beside a bar that is found, read by eye, empty where nothing is; the last table tells how often it is
read right, read wrong and not read. Weights and thresholds were chosen on *train* and *tune*; *score* is only for reporting. Peer: the
longest run of saturated
pixels in the lowest quarter of the picture. Data: `TEMSEG_DATA` (default ../shared/data).
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import imageio.v3 as iio
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretraining"))
from emps import data_folder
from napari_temseg.engine.burntin.bar_value import read_bar_value
from napari_temseg.engine.burntin.scale_bar import find_scale_bar

Ends = tuple[float, float]
Finder = Callable[[np.ndarray], Ends | None]
TABLE = Path(__file__).with_name("scale_bars.csv")
TOLERANCE = 2.0  # px
PARTS = ("train", "tune", "score")
KINDS = ("written", "right", "wrong", "silent", "invented")


class Outcome(NamedTuple):
    """What one finder said of one micrograph."""

    name: str
    part: str
    marked: Ends | None
    found: Ends | None
    seconds: float
    pixels: int

    @property
    def right(self) -> bool:
        """Both ends within the tolerance."""
        return self.marked is not None and self.found is not None and max(abs(np.subtract(self.marked, self.found))) <= TOLERANCE

    @property
    def length_error(self) -> float:
        """|Δlength| in px; infinite when there is nothing to compare."""
        if self.marked is None or self.found is None:
            return float("inf")
        return abs((self.found[1] - self.found[0]) - (self.marked[1] - self.marked[0]))


def ours(image: np.ndarray) -> Ends | None:
    """The ends of the bar that the package finds."""
    bar = find_scale_bar(image)
    return None if bar is None else (bar.start[1], bar.end[1])


def plain(image: np.ndarray) -> Ends | None:
    """The longest run of black or of white pixels (within 2 of 0 or 255) in the lowest quarter, 4 to 80 % of the width."""
    width = image.shape[1]
    best: tuple[int, int] | None = None
    for ink in (image >= 253, image <= 2):
        rows = np.pad(ink[-(image.shape[0] // 4) :], ((0, 0), (1, 1))).astype(np.int8)
        steps = np.diff(rows, axis=1)
        starts, stops = np.nonzero(steps == 1)[1], np.nonzero(steps == -1)[1]
        lengths = stops - starts
        lengths[(lengths < 0.04 * width) | (lengths > 0.8 * width)] = 0
        if lengths.size and lengths.max() > (best[1] - best[0] if best else 0):
            i = int(lengths.argmax())
            best = int(starts[i]), int(stops[i])
    return None if best is None else (best[0] - 0.5, best[1] - 0.5)


def outcomes(finder: Finder, rows: list[dict[str, str]]) -> list[Outcome]:
    """Run a finder over the micrographs of the table."""
    found = []
    for row in rows:
        image = iio.imread(data_folder() / "emps" / "images" / row["name"])
        marked = (float(row["left"]), float(row["right"])) if row["left"] else None
        begun = time.process_time()
        ends = finder(image)
        found.append(Outcome(row["name"], row["part"], marked, ends, time.process_time() - begun, image.size))
    return found


def written(text: str) -> str:
    """A value as the program writes it: "1.0 µm" → "1 µm"."""
    number, _, unit = text.partition(" ")
    return f"{float(number):g} {unit}" if text else ""


def values(rows: list[dict[str, str]], wanted: Sequence[str]) -> list[str]:
    """A line a part on the values beside the bars that are found at their marks."""
    lines = [f"{'value':<8}{'part':<7}{'written':>8}{'right':>7}{'wrong':>7}{'silent':>8}{'invented':>10}{'right/written':>15}"]
    for part in wanted:
        counts = Counter[str]()
        for row in (row for row in rows if row["part"] == part and row["left"]):
            image = iio.imread(data_folder() / "emps" / "images" / row["name"])
            bar = find_scale_bar(image)
            if bar is None or max(abs(bar.start[1] - float(row["left"])), abs(bar.end[1] - float(row["right"]))) > TOLERANCE:
                continue
            said, true = read_bar_value(image, bar), written(row["value"])
            counts["written"] += bool(true)
            kind = "silent" if said is None else "invented" if not true else "right" if said.text == true else "wrong"
            counts[kind] += bool(true) or said is not None
        shown = "".join(f"{counts[kind]:>{width}}" for kind, width in zip(KINDS, (8, 7, 7, 8, 10), strict=True))
        lines.append(f"{'ours':<8}{part:<7}{shown}{counts['right'] / max(counts['written'], 1):>15.3f}")
    return lines


def line(name: str, part: str, results: list[Outcome]) -> str:
    """One line of the report."""
    present = sum(o.marked is not None for o in results)
    said = sum(o.found is not None for o in results)
    right = sum(o.right for o in results)
    errors = [o.length_error for o in results if o.marked is not None and o.found is not None]
    length = sum(o.length_error <= TOLERANCE for o in results)
    speed = sum(o.seconds for o in results) / sum(o.pixels for o in results) * 1e6
    return (
        f"{name:<8}{part:<7}{len(results):>8}{present:>7}{said:>7}{right:>9}{length:>10}"
        f"{right / max(present, 1):>8.3f}{right / max(said, 1):>11.3f}{np.median(errors) if errors else np.nan:>12.2f}{speed:>10.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part (may be repeated)")
    parser.add_argument("--misses", action="store_true", help="name the micrographs of train and tune whose bar was not found")
    options = parser.parse_args()
    wanted = options.part or PARTS
    with TABLE.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] in wanted]
    print("finder  part   pictures   bars  found  ±2 px   |Δl|≤2 px  recall  precision  median |Δl|   s/Mpx (processor)")
    for name, finder in (("ours", ours), ("plain", plain)):
        results = outcomes(finder, rows)
        for part in wanted:
            print(line(name, part, [o for o in results if o.part == part]))
        if len(wanted) > 1:
            print(line(name, "all", results))
        if options.misses and name == "ours":
            for o in results:
                if o.part != "score" and not o.right and (o.marked or o.found):
                    print("   ", o.name, "marked", o.marked, "found", o.found)
    print("\n".join(values(rows, wanted)))


if __name__ == "__main__":
    main()
