"""Where to stroke next: places that *Next* proposes against places taken at random.

    python benchmarks/next.py [--part tune|score] [--limit N] [--rounds 10] [--seeds 2] [--json FILE]

A simulated annotator is sent to a place and draws what is there, whether the answer was right or wrong: one line along the middle of
the truth's region within 40 px. After each stroke the instant answer is computed anew. Peer: the same annotator sent to random places.
Foreground IoU by stroke; strokes saved to reach the IoU that random places reach. Tune to choose the rule, score to report.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import skeletonize

import napari_temseg as temseg
from accuracy_common import Mask, data_folder, entries, iou
from napari_temseg.engine.interactive.active_learning import places
from napari_temseg.engine.interactive.linear_head import Ground, answer, iter_ground
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS, Prediction

REACH = 40  # px
Strokes = npt.NDArray[np.uint8]
Choose = Callable[[Prediction, Strokes], tuple[int, int] | None]


def stroke_at(truth: Mask, y: int, x: int) -> tuple[Mask, int]:
    """A line (bool (Y, X)) along the middle of what lies at a place, as far as somebody looks, and its class."""
    rows, columns = np.ogrid[: truth.shape[0], : truth.shape[1]]
    near = (rows - y) ** 2 + (columns - x) ** 2 <= REACH**2
    parts, _ = ndimage.label((truth == truth[y, x]) & near)
    line = skeletonize(parts == parts[y, x])
    line[y, x] = True
    return line, FIRST_CLASS if truth[y, x] else BACKGROUND


def curve(ground: Ground, truth: Mask, choose: Choose, rounds: int) -> list[float]:
    """IoU after 0 … `rounds` strokes; where no place is proposed any more it stays."""
    strokes = np.zeros(truth.shape, np.uint8)
    found = answer(ground, strokes, depth=False)
    scores = [iou(found.classes >= FIRST_CLASS, truth)]
    for _ in range(rounds):
        place = choose(found, strokes)
        if place is not None:
            line, number = stroke_at(truth, *place)
            strokes[line] = number
            found = answer(ground, strokes, depth=False)
        scores.append(iou(found.classes >= FIRST_CLASS, truth))
    return scores


def proposed(found: Prediction, strokes: Strokes) -> tuple[int, int] | None:
    """The best place."""
    best = places(found, strokes, most=1)
    return (best[0].y, best[0].x) if best else None


def at_random(seed: int) -> Choose:
    """Any pixel."""
    rng = np.random.default_rng(seed)
    return lambda found, strokes: (int(rng.integers(strokes.shape[0])), int(rng.integers(strokes.shape[1])))


def saved(mean: npt.NDArray[np.float64], peer: npt.NDArray[np.float64]) -> list[int | None]:
    """For each number of random strokes, how many fewer proposed ones reach the same mean IoU; None where they do not."""
    first = [np.flatnonzero(mean >= level) for level in peer]
    return [number - int(there[0]) if there.size else None for number, there in enumerate(first)]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("score", "tune"), default="tune")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=2, help="random walks on each micrograph")
    parser.add_argument("--model", default="particles")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not data_folder().is_dir():
        parser.error(f"{data_folder()} is not there; set TEMSEG_DATA to the folder with emps")
    model, led, strayed = temseg.load(args.model), [], []
    for number, entry in enumerate(entries(args.part, limit=args.limit)):
        ground = iter_ground(model, temseg.Micrograph(entry.image), PredictConfig()).drain()
        truth = entry.instances > 0
        led.append(curve(ground, truth, proposed, args.rounds))
        walks = [curve(ground, truth, at_random(1000 * number + seed), args.rounds) for seed in range(args.seeds)]
        strayed.append(np.mean(walks, axis=0).tolist())
    mean, peer = np.mean(led, axis=0), np.mean(strayed, axis=0)
    print(f"{len(led)} micrographs of {args.part}; model {model.content_hash()[:12]}; mean IoU by stroke\n")
    print("| strokes | " + " | ".join(map(str, range(args.rounds + 1))) + " |")
    print("|---" * (args.rounds + 2) + "|")
    print("| Next | " + " | ".join(f"{value:.3f}" for value in mean) + " |")
    print("| random | " + " | ".join(f"{value:.3f}" for value in peer) + " |")
    print("| saved | " + " | ".join("–" if fewer is None else str(fewer) for fewer in saved(mean, peer)) + " |")
    best = int(np.argmax(peer))
    reached = np.flatnonzero(mean >= peer[best])
    fewer = f"{reached[0]} of Next" if reached.size else f"not by {args.rounds} of Next"
    print(f"\nwhat random places reach at best ({peer[best]:.3f}, {best} strokes) is reached by {fewer}")
    print(f"after {args.rounds} strokes: gained {mean[-1] - mean[0]:+.3f} by Next, {peer[-1] - peer[0]:+.3f} at random")
    if args.json:
        args.json.write_text(json.dumps({"next": led, "random": strayed}))


if __name__ == "__main__":
    main()
