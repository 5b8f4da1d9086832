"""The whole road on a simulated micrograph: predict, stroke the worst errors, train, predict again, against the exact truth."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg import api
from napari_temseg.engine.types.annotations import Annotations
from napari_temseg.engine.types.config import SimulateConfig, SplitConfig, TrainConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS
from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.files.tables import write_labels_tiff
from napari_temseg.pipeline.run import iter_run
from napari_temseg.pipeline.run_result import RunResult

if TYPE_CHECKING:
    from napari_temseg.engine.model.segmenter import Segmenter
    from napari_temseg.engine.particles.evaluation import Score

DEMO_SPLIT = SplitConfig(certainty=0.0)  # the scene has neither letters nor bars, so that nothing need be dropped as uncertain
SMALLEST = 128  # px; below it there is nothing to hold out and little to find


@dataclass(frozen=True, eq=False)
class DemoResult:
    """Scores of the shipped and of the trained model, strokes given, seconds a stage, the run that was written.

    `training` says what the training made of the strokes, as the trained model remembers it: `steps`, `best_step`, `curve` …
    """

    before: Score
    after: Score
    strokes: dict[str, int]
    seconds: dict[str, float]
    run: RunResult
    training: dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """A table for people."""
        scores = self.before, self.after
        rows = [
            ("", "shipped model", "after training"),
            ("area found (IoU, at best 1)", *(f"{s.iou:.3f}" for s in scores)),
            (f"particles found, of {self.before.n_true}", *(str(s.n_found) for s in scores)),
            ("error of the mean diameter", *(_percent(s.mean_diameter_error) for s in scores)),
        ]
        table = "\n".join(f"{name:<28}{before:>15}{after:>16}" for name, before, after in rows)
        strokes = " and ".join(f"{count} on {name}" for name, count in self.strokes.items())
        times = " · ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        told = "\n".join(filter(None, (self.comment(), f"Strokes: {strokes}", self.training_text())))
        head = "Compared with the exact truth of the whole micrograph:"
        return f"{head}\n\n{table}\n\n{told}\nTime: {times}\nReport of the last column: {self.run.output / 'report.html'}"

    def training_text(self) -> str:
        """What the training made of the strokes; how good that is the table says, as the strokes held out are few pixels."""
        steps, best = self.training.get("steps", 0), self.training.get("best_step", 0)
        judged = {int(point["step"]): point["validation_iou"] for point in self.training.get("curve", ()) if "validation_iou" in point}
        took = f"Training: {steps} step{'s' if steps != 1 else ''}"
        if best == 0:
            return f"{took}; none did better on strokes that it was not shown, so the shipped model was kept as it is."
        if best not in judged:
            return f"{took}; no strokes were kept back to judge it by."
        if 0 in judged and judged[best] < judged[0] + 0.01:
            return (
                f"{took}; strokes that it was not shown, few, speak for the model of step {best} no more than for the shipped one; "
                "more time teaches more (--seconds)."
            )
        return f"{took}; the model of step {best} was kept, for strokes that it was not shown."

    def comment(self) -> str:
        """What the table says, good or bad; "" where nothing was trained."""
        if not self.training.get("best_step", 0):
            return ""
        gain = self.after.iou - self.before.iou
        better = "better" if gain > 0.002 else "worse" if gain < -0.002 else "about as well as before"
        found = f"After training the area of the particles is found {better}"
        errors = self.before.mean_diameter_error, self.after.mean_diameter_error
        if None in errors:
            return f"{found}."
        further = abs(errors[1] or 0.0) - abs(errors[0] or 0.0)
        if further <= 0.002:
            return (
                f"{found}, and the mean diameter {'is nearer to the truth' if further < -0.002 else 'is as near to the truth as before'}."
            )
        return f"{found}, but the mean diameter is further from the truth: strokes say where particles are, hardly where they end."

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        files = [str(path) for path in self.run.files]
        return {
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "strokes": self.strokes,
            "training": {
                "steps": self.training.get("steps", 0),
                "best_step": self.training.get("best_step", 0),
                "text": self.training_text(),
            },
            "seconds": {name: round(seconds, 3) for name, seconds in self.seconds.items()},
            "output": str(self.run.output),
            "files": files,
        }


def _percent(error: float | None) -> str:
    return "–" if error is None else f"{100 * error:+.1f} %"


def demo_config(size: int, seed: int) -> SimulateConfig:
    """Hard enough that strokes help: faint particles of two shapes on a granular, unevenly lit support, at a low dose."""
    return SimulateConfig(
        mode="HAADF",
        height=size,
        width=size,
        count=max(8, round(70 * (size / 512) ** 2)),
        diameter=34.0,
        spread=1.3,
        shapes=("sphere", "ellipsoid"),
        touching=0.1,
        contrast=0.25,
        support=0.1,
        unevenness=0.3,
        dose=40.0,
        pixel_size=0.5,
        seed=seed,
    )


def iter_demo(
    output: str | Path, *, seconds: float = 20.0, seed: int = 0, size: int = 512, model: str | Path | Segmenter = "particles"
) -> Job[DemoResult]:
    """Simulate, predict with `model`, split, score, stroke, train for `seconds`, and do it again; write the folder of a run.

    Beside the run's files `output` gets the micrograph (simulated.tif), its strokes and the trained model (demo.temseg).
    """
    if size < SMALLEST:
        raise TemsegError(f"A demonstration of {size} px is too small; take --size {SMALLEST} or more.")
    simulation, training = demo_config(size, seed), TrainConfig(max_seconds=seconds, seed=seed)
    output = Path(output)

    def steps(control: Control) -> Generator[Progress, None, DemoResult]:
        clock = _Clock()
        truth = api.simulate(simulation)
        image = truth.micrograph
        picture = output / "simulated.tif"
        write_tiff(picture, image.data, image.calibration)
        clock.lap("simulate")
        yield Progress("predict", 0.0, "predicting with the shipped model", control.elapsed)
        start = api.load(model) if isinstance(model, (str, Path)) else model
        clock.lap("load")
        prediction = api.predict(start, image)
        clock.lap("predict")
        before = _scored(prediction, truth.instances, clock)
        labels = annotator(prediction.classes, truth.instances)
        write_labels_tiff(output / "simulated_strokes.tif", labels, image.calibration, content="strokes")
        clock.lap("stroke")
        job = api.iter_train([image], [labels], base=start, config=training)
        # In time: training takes what it may, and what comes after it what it took before, and as much again for the report.
        begun = control.elapsed
        whole = begun + seconds + 2 * (begun - clock.seconds["load"])
        for progress in job:
            if control.finishing:
                job.finish()
            share = (begun + seconds * {"prepare": 0.0, "check": 1.0}.get(progress.stage, progress.fraction)) / whole
            yield Progress("train", share, progress.message, control.elapsed, progress.metrics)
        trained = job.result
        trained.save(output / "demo.temseg")
        clock.lap("train")
        yield Progress("predict", (begun + seconds) / whole, "predicting with the trained model", control.elapsed)
        prediction = api.predict(trained, image)
        clock.lap("predict again")
        after = _scored(prediction, truth.instances, clock)
        finished = iter_run([picture], output, model=output / "demo.temseg", split=DEMO_SPLIT).drain()
        clock.lap("report")
        counts = {c.name: c.objects for c in Annotations.collect([image], [labels]).counts().values()}
        return DemoResult(before, after, counts, clock.seconds, finished, trained.history[-1])

    return Job(steps)


class _Clock:
    """Seconds a stage, in the order of the stages; laps of one name add up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now


def _scored(prediction: Any, truth: npt.NDArray[np.int32], clock: _Clock) -> Score:
    particles = api.split(prediction, DEMO_SPLIT)
    clock.lap("split")
    api.measure(particles)
    clock.lap("measure")
    score = api.evaluate(particles, truth)
    clock.lap("score")
    return score


def annotator(classes: npt.NDArray[np.uint8], instances: npt.NDArray[np.integer[Any]], strokes: int = 8) -> npt.NDArray[np.uint8]:
    """Simulate a person who strokes the worst errors of `classes` (Y, X) against true `instances` (Y, X).

    The `strokes` deepest wrong regions get a short stroke each, of class 2 through missed particles and of class 1 through what is none.
    Where that leaves fewer than four on the background or two on particles, some are added where the prediction is right.
    Returns uint8 (Y, X).
    """
    particle, found = instances > 0, classes >= FIRST_CLASS
    labels = np.zeros(classes.shape, np.uint8)
    wrong = [(depth, FIRST_CLASS, chord) for depth, chord in _chords(particle & ~found, strokes)]
    wrong += [(depth, BACKGROUND, chord) for depth, chord in _chords(found & ~particle, strokes)]
    worst = sorted(wrong, key=lambda item: -item[0])[:strokes]
    given = {BACKGROUND: 0, FIRST_CLASS: 0}
    for _, number, chord in worst:
        _draw(labels, chord, number, particle == (number == FIRST_CLASS))
        given[number] += 1
    for number, right, least in ((BACKGROUND, ~particle & ~found, 4), (FIRST_CLASS, particle & found, 2)):
        for _, chord in _chords(right & (labels == 0), max(0, least - given[number]), spread=True):
            _draw(labels, chord, number, particle == (number == FIRST_CLASS))
    return labels


def _chords(mask: npt.NDArray[np.bool_], n: int, *, spread: bool = False) -> list[tuple[float, npt.NDArray[np.intp]]]:
    """Depth and stroke of the `n` deepest regions; with `spread`, of the deepest points of `n` parts of the picture."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    if spread:
        # One region, such as the background, may take several strokes: look in vertical bands of the picture.
        regions = np.where(mask, 1 + np.arange(mask.shape[1]) * max(n, 1) // mask.shape[1], 0)
        count = max(n, 1)
    else:
        regions, count = ndimage.label(mask)
    if not count or not n:
        return []
    index = np.arange(1, count + 1)
    deepest = np.asarray(ndimage.maximum(depth, regions, index))
    order = [i for i in np.argsort(-deepest, kind="stable")[:n] if deepest[i] >= 2]  # no hand strokes what is thinner than 4 px
    places = ndimage.maximum_position(depth, regions, index)
    return [(float(deepest[i]), _chord(depth >= 1.5, places[i])) for i in order]


def _chord(inside: npt.NDArray[np.bool_], centre: tuple[int, int], reach: int = 20) -> npt.NDArray[np.intp]:
    """Pixels (n, 2) of the longest straight stroke through `centre` that stays `inside`, up to `reach` px to either side."""
    best = np.array([centre], dtype=np.intp)
    steps = np.arange(reach + 1)
    for angle in np.linspace(0, np.pi, 12, endpoint=False):
        direction = np.array([np.sin(angle), np.cos(angle)])
        line: list[npt.NDArray[np.intp]] = []
        for sign in (-1, 1):
            points = np.rint(np.asarray(centre) + sign * steps[:, None] * direction).astype(np.intp)
            fits = ((points >= 0) & (points < inside.shape)).all(axis=1)
            fits[fits] = inside[tuple(points[fits].T)]
            line.append(points[: len(fits) if fits.all() else int(np.argmin(fits))])
        joined = np.concatenate(line)
        best = joined if len(joined) > len(best) else best
    return best


def _draw(labels: npt.NDArray[np.uint8], chord: npt.NDArray[np.intp], number: int, right: npt.NDArray[np.bool_]) -> None:
    """A stroke 3 px wide that never says anything wrong."""
    stroke = np.zeros(labels.shape, bool)
    stroke[tuple(chord.T)] = True
    labels[ndimage.binary_dilation(stroke, np.ones((3, 3), bool)) & right] = number
