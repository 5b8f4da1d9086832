"""Several results of the same micrographs against a truth, side by side: models, draft labels, and particles that are there already."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.config import DraftConfig, PredictConfig, SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress, mapped
from napari_temseg.engine.types.results import UNLABELLED, Particles, Prediction
from napari_temseg.pipeline.find import of_one

if TYPE_CHECKING:
    import pandas as pd

Labels = npt.NDArray[np.integer[Any]]
DRAFT, PRESENT = "draft labels", "particles as they are"
SCORES = ("iou", "dice", "ap50", "ap75", "pq")
PIXELS_ONLY = ("iou", "dice")  # all that a mask can tell
ERRORS = ("count_error", "mean_diameter_error")


@dataclass(frozen=True, eq=False)
class Case:
    """A micrograph, the truth of it (0 background, each other number a particle), and what is at hand to be compared.

    `mask` says that the truth does not tell particles apart; None: it is one when it holds one number only, in several places.
    `draft` are class numbers, whose unlabelled pixels a random forest fills, `particles` labels. All have the shape of the image.
    """

    name: str
    image: Micrograph
    truth: Labels
    mask: bool | None = None
    draft: Labels | None = None
    particles: Labels | None = None


@dataclass(frozen=True)
class Line:
    """One result of one micrograph: the values of a `Score` by name, None where they cannot be told; `case` counts from 0, −1 for means."""

    image: str
    result: str
    values: dict[str, float | int | None]
    case: int = -1


@dataclass(frozen=True, eq=False)
class Comparison:
    """`lines` in order; `mistakes` by number of the case and result (see `evaluation.mistakes`); `notes` are sentences."""

    lines: list[Line] = field(default_factory=list)
    mistakes: dict[tuple[int, str], npt.NDArray[np.uint8]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def results(self) -> list[str]:
        """What was compared, in order."""
        return list(dict.fromkeys(line.result for line in self.lines))

    def mean(self, result: str) -> Line:
        """Over the micrographs that have it: means of the figures, sums of the counts, medians of the absolute errors.

        An error without meaning, as where nothing was found, counts as 1: finding nothing shall not improve a median.
        """
        lines = [line for line in self.lines if line.result == result]
        columns = {name: [v for line in lines if (v := line.values.get(name)) is not None] for name in lines[0].values}
        values: dict[str, float | int | None] = {name: float(np.mean(columns[name])) if columns[name] else None for name in SCORES}
        values |= {name: sum(map(int, columns[name])) if columns[name] else None for name in ("n_found", "n_true")}
        told = [line.values for line in lines if line.values["n_true"] is not None]
        for name in ERRORS:
            errors = [1.0 if (error := each[name]) is None else abs(error) for each in told]
            values[name] = float(np.median(errors)) if errors else None
        return Line(f"mean of {len(lines)}", result, values)

    def table(self) -> pd.DataFrame:
        """A row a line, then the means."""
        import pandas as pd

        rows = [*self.lines, *map(self.mean, self.results)]
        return pd.DataFrame([{"image": row.image, "result": row.result, **row.values} for row in rows])


def iter_compare(
    cases: Sequence[Case],
    models: Mapping[str, Any],
    predict: PredictConfig | Sequence[PredictConfig] | None = None,
    split: SplitConfig | Sequence[SplitConfig] | None = None,
) -> Job[Comparison]:
    """Predict, split and score; `models` by title are `Segmenter`s, shipped names or files. *Finish* leaves out what is not done yet.

    Settings are those of all cases, or one for each.
    In a stack the planes without truth are left out. What lies in left-out areas counts on neither side.
    """

    def steps(control: Control) -> Generator[Progress, None, Comparison]:
        yield Progress("compare", 0.0, "loading the models", control.elapsed)
        loaded = {title: _loaded(model) for title, model in models.items()}
        comparison, total = Comparison(), sum(len(loaded) + 2 for _ in cases)
        for index, case in enumerate(cases):
            part, planes = _with_truth(case, comparison)
            ways = _ways(part, loaded, of_one(predict, index) or PredictConfig(), of_one(split, index) or SplitConfig())
            for number, (title, way) in enumerate(ways.items()):
                if control.finishing:
                    return comparison
                start, message = (index * (len(loaded) + 2) + number) / total, f"{case.name}: {title}"
                told = _Overall(start, 1 / total, message, control)
                try:
                    found = yield from mapped(way, told)
                except TemsegError as error:
                    comparison.notes.append(f"{case.name}, {title}: {error}")
                    continue
                _judge(comparison, index, part, title, found)
                comparison.mistakes[index, title] = _whole(comparison.mistakes[index, title], planes, case.truth.shape)
        return comparison

    return Job(steps)


@dataclass(frozen=True)
class _Overall:
    """The progress of one result as that of the whole."""

    start: float
    share: float
    message: str
    control: Control

    def __call__(self, step: Progress) -> Progress:
        return Progress("compare", self.start + self.share * step.fraction, self.message, self.control.elapsed)


def _loaded(model: Any) -> Any:
    from napari_temseg.api import load

    return load(model) if isinstance(model, (str, Path)) else model


def _with_truth(case: Case, comparison: Comparison) -> tuple[Case, list[int]]:
    """The planes of a case that have a truth, and which; `TemsegError` when none has."""
    if tuple(case.truth.shape) != tuple(case.image.data.shape):
        raise TemsegError(
            f"{case.name}: the truth has shape {tuple(case.truth.shape)}, the image {tuple(case.image.data.shape)}; they must agree."
        )
    pages = case.truth.reshape((-1, *case.image.frame))
    planes = [index for index, page in enumerate(pages) if page.any()]
    if not planes:
        raise TemsegError(f"{case.name}: its truth is empty; choose a layer in which every particle is labelled.")
    mask = case.mask
    if mask is None:
        mask = _is_mask([pages[index] for index in planes])
    if mask:
        comparison.notes.append(f"{case.name}: its truth is a mask, which tells no particles apart: only IoU and Dice are told.")
    if len(planes) == len(pages):
        return replace(case, mask=mask), planes
    comparison.notes.append(f"{case.name}: {len(planes)} of {len(pages)} planes have a truth, and only they are scored.")

    def cut(labels: Labels | None) -> Any:
        return None if labels is None else labels[planes]

    image = replace(case.image, data=case.image.data[planes])
    return Case(case.name, image, case.truth[planes], mask, cut(case.draft), cut(case.particles)), planes


def _is_mask(pages: Sequence[Labels]) -> bool:
    """Whether there is one number only, and it is on places that do not hang together: one particle would be in one place."""
    from scipy import ndimage

    one = all(page.max() == pages[0].max() == page[page > 0].min() for page in pages)
    return one and any(ndimage.label(page, np.ones((3, 3)))[1] > 1 for page in pages)


def _ways(case: Case, models: Mapping[str, Any], predict: PredictConfig, split: SplitConfig) -> dict[str, Generator[Progress, None, Any]]:
    """What makes each result, by its title."""
    ways = {title: _by_model(model, case.image, predict, split) for title, model in models.items()}
    if case.draft is not None:
        ways[DRAFT] = _by_draft(case.image, case.draft, split)
    if case.particles is not None:
        ways[PRESENT] = _at_hand(case.particles)
    return ways


def _by_model(model: Any, image: Micrograph, predict: PredictConfig, split: SplitConfig) -> Generator[Progress, None, Any]:
    from napari_temseg.engine.model.prediction import iter_predict

    job = iter_predict(model, image, predict)
    for step in job:
        yield replace(step, fraction=0.9 * step.fraction)
    return (yield from _split(job.result, split)).labels


def _by_draft(image: Micrograph, labels: Labels, split: SplitConfig) -> Generator[Progress, None, Any]:
    """What is not labelled yet is filled first, as *Fill from strokes* does."""
    from napari_temseg.engine.interactive.draft import iter_draft

    if (labels == UNLABELLED).any():
        job = iter_draft(image, labels, DraftConfig())
        yield from job
        labels = job.result
    return (yield from _split(Prediction.of_classes(labels, image), split)).labels


def _split(prediction: Prediction, config: SplitConfig) -> Generator[Progress, None, Particles]:
    from napari_temseg.engine.particles.splitting import iter_split

    job = iter_split(prediction, config)
    for step in job:
        yield replace(step, fraction=0.9 + 0.1 * step.fraction)
    return job.result


def _at_hand(labels: Labels) -> Generator[Progress, None, Labels]:
    yield Progress("compare", 1.0)
    return labels


def _judge(comparison: Comparison, index: int, case: Case, title: str, found: Labels) -> None:
    """Add a line, and where the result is wrong."""
    from napari_temseg.engine.particles.evaluation import evaluate, mistakes

    found, true = (labels if case.image.valid is None else np.where(case.image.valid, labels, 0) for labels in (found, case.truth))
    if case.mask:
        found, true = (found > 0).astype(np.uint8), (true > 0).astype(np.uint8)
    values = evaluate(found, true).to_dict()
    kept = {name: values[name] if not case.mask or name in PIXELS_ONLY else None for name in (*SCORES, "n_found", "n_true", *ERRORS)}
    comparison.lines.append(Line(case.name, title, kept, index))
    comparison.mistakes[index, title] = mistakes(found, true)


def _whole(kinds: npt.NDArray[np.uint8], planes: list[int], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Back among the planes that were left out."""
    if kinds.shape == shape:
        return kinds
    whole = np.zeros(shape, np.uint8)
    whole[planes] = kinds
    return whole


def write_comparison(path: str | Path, comparison: Comparison) -> None:
    """Write the table as CSV, UTF-8."""
    from napari_temseg.files.atomic import replacing

    with replacing(path) as temporary:
        comparison.table().to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n", float_format="%.5g")
