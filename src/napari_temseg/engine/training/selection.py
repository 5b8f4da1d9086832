"""What of a training is kept: the best step, the working scales, how far back to the starting model; and whom it does not serve."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from napari_temseg.engine.model.network import freeze_encoder
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.training.dataset import HeldPlane, LabelledPlane, TrainingPlane, WatchedPlane
from napari_temseg.engine.training.kept.edges import put_back
from napari_temseg.engine.training.kept.stroke_worth import best_way, stroke_worth, sure_classes, why_not
from napari_temseg.engine.training.kept.sureness import as_sure_as_right
from napari_temseg.engine.training.learner import Learner
from napari_temseg.engine.training.starting_model import labelled_size
from napari_temseg.engine.training.state import Tensors, TrainingCourse
from napari_temseg.engine.training.task import TrainingData, recorded
from napari_temseg.engine.training.validation import VALIDATION_PIXELS, windows, zoom_at
from napari_temseg.engine.types.confidence import KEPT_FROM
from napari_temseg.engine.types.wording import OTHER_THINGS, STAYS

MATERIAL_IOU = 0.005  # on the validation part: by less than this no step is better than the model it started from
NOISE_IOU = 0.002  # on the validation part: a smaller gain is none
TOLERATED_IOU = 0.02  # on the validation part, given up at most for going half way back to that model
STROKE_NOISE_IOU = 0.05  # on strokes that validate: by less than this an earlier step is no better than a later one
CONTRADICTED_IOU = 0.5  # on the labels of a micrograph, below which it is named
OTHERWISE_IOU = 0.8  # with what was found before in one without labels, below which it is named: outlines moved are no less wrong
NAMED_MICROGRAPHS = 8  # at most whose labels are looked at again
WAYS = 5  # looks at what strokes choose from: nothing, what was learnt and half of it, both before and after edges are put back
THOROUGH = 8  # × the pixels of the validation windows, to compare the best with the last
DECODER_SCALES = (
    (1.0,),
    (1.0, 0.7),
    (1.0, 0.7, 0.5),
    (1.4, 1.0),
    (1.4, 1.0, 0.7),
)  # working scales that a new decoder is tried with, the cheapest first


@dataclass(frozen=True, eq=False)
class Selected:
    """The decision: the network's tensors, the step they are of, its score (IoU, −loss), the working scales, and what is to be told.

    `unused`: what was learnt, where the starting model is kept, and after which step.
    """

    tensors: Tensors
    step: int
    score: tuple[float, float]
    scales: tuple[float, ...]
    notes: tuple[str, ...] = ()
    unused: Tensors | None = None
    unused_step: int = 0


def scored(course: TrainingCourse, judged: dict[str, float]) -> tuple[float, float]:
    """IoU first; the loss decides between equals, as thin strokes soon all are. With nothing to judge by, later is better."""
    return (round(judged["validation_iou"], 4), -judged["validation_loss"]) if judged else (0.0, float(course.steps))


def is_better(score: tuple[float, float], course: TrainingCourse, data: TrainingData) -> bool:
    """Whether the newest point of the curve, of this score, is the best so far."""
    if data.task.base is None:
        return score > course.best_score and course.steps > 0
    if not data.split.validation or course.steps == 0:
        return score > course.best_score
    if course.best_step == 0:
        return score[0] >= course.best_score[0] + (-_tolerated(data) if data.mistaken else MATERIAL_IOU)
    if data.strokes:  # the rate falls, so later steps are calmer; a few strokes hardly tell one from another
        every = data.task.config.evaluate_every  # points in between are those of a slow machine
        seen = [point["validation_iou"] for point in course.curve[1:] if point["step"] % every == 0]
        return score[0] >= max([score[0], *seen]) - STROKE_NOISE_IOU
    return score > course.best_score


def _tolerated(data: TrainingData) -> float:
    """By how much less (IoU on the validation part) a step is no worse where strokes say that the starting model is wrong.

    A stroke that is held out is one case, worth its share of all that are: where there are few, as of any corrections, one alone must not
    outweigh all the others.
    """
    return max(TOLERATED_IOU, 1 / max(sum(data.kept_back.values()), 1))


def standing(course: TrainingCourse, *, before: bool) -> str:
    """For people: how a training stands that is judged and has a best step; only what is better is called so, and nothing is promised.

    `before`: there was a model before.
    """
    score = {int(point["step"]): point["validation_iou"] for point in course.curve}
    best, untouched = score[course.best_step], score[0]
    reached = f"IoU {best:.3f}{f', at the start {untouched:.3f}' if before else ''}"
    if before and best <= untouched + NOISE_IOU:
        found = "no better yet"
    elif round(best, 3) < round(max(iou for step, iou in score.items() if step), 3):
        found = "better than at the start"
    else:
        found = f"best so far at step {course.best_step}"
    return f"{found}, by labels that it is not shown ({reached}); whether it is kept is checked at the end"


def evaluations(learner: Learner) -> float:
    """What judging at the end costs, as a multiple of the first time: with a new decoder several working scales are tried."""
    first = learner.first_scales
    tried = DECODER_SCALES if learner.new_decoder else [first]
    return sum(scale**2 for scales in tried for scale in scales) / sum(scale**2 for scale in first) + weighs_sureness(learner)


def weighs_strokes(learner: Learner, data: TrainingData) -> bool:
    """Whether what strokes say is weighed at the end against the rest of their own pictures (see `_no_more_than_said`)."""
    knows = data.task.base is not None and bool(data.task.base.history)  # what never learnt anything has nothing to lose
    taught_more = learner.new_decoder or learner.start_classes < learner.model.spec.n_classes
    unasked = learner.config.validation == 0 and not data.split.validation
    return data.strokes and knows and not (taught_more or unasked) and learner.config.hold > 0


def named_at_the_end(learner: Learner, data: TrainingData) -> list[TrainingPlane]:
    """The micrographs that are looked at again when all is done (see `contradictions`): labelled ones first."""
    others: list[HeldPlane | WatchedPlane] = [*data.planes.held, *data.planes.watched]
    # With a new decoder it is another task; and nobody looks at what is simulated.
    named = [] if learner.new_decoder else [plane for plane in others if plane.name and plane.start is not None]
    return [*(data.planes.labelled[:NAMED_MICROGRAPHS] if data.strokes else ()), *named[:NAMED_MICROGRAPHS]]


def looked_at(learner: Learner, data: TrainingData) -> tuple[float, float]:
    """Pixels that the network is shown at the end: for what strokes say (see `_no_more_than_said`), and for naming micrographs."""
    weighed = 0.0
    if weighs_strokes(learner, data):
        weighed = WAYS * sum(learner.pixels(part.image.shape, learner.scales_for(part)) for part in data.weighed())
    named = sum(_cost(learner, part, scales) for plane in named_at_the_end(learner, data) for part, scales in _named(plane))
    return weighed, named


def select(learner: Learner, course: TrainingCourse, data: TrainingData, *, hurried: bool = False) -> Generator[str, None, Selected]:
    """What is kept, when no step follows any more; leaves any of the candidates in the network. Yields "" between windows.

    `hurried`: there is no time to weigh what strokes say, so that nothing is kept for which they alone might speak.
    """
    if hurried and course.best_step and course.curve[0].get("validation_iou", 0.0) > course.best_score[0] + TOLERATED_IOU:
        untouched = scored(course, course.curve[0])
        return Selected(learner.start, 0, untouched, learner.first_scales, unused=course.best, unused_step=course.best_step)
    kept = yield from _chosen(learner, course, data)
    if kept.step == 0 or data.strokes or not weighs_sureness(learner):
        return kept
    return replace(kept, tensors=(yield from as_sure_as_right(learner, data, kept.tensors, kept.scales if learner.new_decoder else ())))


def weighs_sureness(learner: Learner) -> bool:
    """Whether what a search keeps hangs on the probability alone (see `as_sure_as_right`)."""
    return learner.model.spec.working_size > 0


def _chosen(learner: Learner, course: TrainingCourse, data: TrainingData) -> Generator[str, None, Selected]:
    """Step, working scales, and how far back to the starting model."""
    kept = Selected(course.best, course.best_step, course.best_score, learner.model.scales)
    if kept.step == 0:
        return replace(kept, unused=learner.tensors(), unused_step=course.steps) if course.steps else kept
    if learner.new_decoder:
        kept = yield from _best_or_last(kept, learner, course, data)
        return (yield from _at_best_scales(kept, learner, data))
    grown = learner.start_classes < learner.model.spec.n_classes
    unasked = learner.config.validation == 0 and not data.split.validation
    if grown or unasked:  # who does without a validation part wants what was learnt as it is
        return kept
    kept = yield from _half_way_back(kept, learner, course, data)
    return (yield from _no_more_than_said(kept, learner, course, data)) if weighs_strokes(learner, data) else kept


def _best_or_last(kept: Selected, learner: Learner, course: TrainingCourse, data: TrainingData) -> Generator[str, None, Selected]:
    """A new decoder as it was at its best or as it is at last, by more of what is held out than the curves can afford to look at."""
    if kept.step == course.steps:
        return kept
    last, thorough = learner.tensors(), windows(data.split.held_out, set(data.counts), THOROUGH * VALIDATION_PIXELS)
    if len(thorough) <= len(data.split.validation):
        return kept
    found = []
    for tensors in (kept.tensors, last):
        learner.load(tensors)
        found.append((yield from learner.evaluate(thorough))["validation_iou"])
    if found[1] < found[0]:
        return kept
    point = course.curve[-1]
    return replace(kept, tensors=last, step=course.steps, score=(point["validation_iou"], -point["validation_loss"]))


def _at_best_scales(kept: Selected, learner: Learner, data: TrainingData) -> Generator[str, None, Selected]:
    """Working scales for the best of a new decoder, by the validation part."""
    if not data.split.validation:
        return kept
    learner.load(kept.tensors)
    found = [kept.score[0]]  # as it learnt, at the first of them
    for scales in DECODER_SCALES[1:]:
        judged = yield from learner.evaluate(data.split.validation, scales=scales)
        found.append(judged["validation_iou"])
    chosen = next(index for index, iou in enumerate(found) if iou >= max(found) - MATERIAL_IOU)
    return replace(kept, scales=DECODER_SCALES[chosen])


def _half_way_back(kept: Selected, learner: Learner, course: TrainingCourse, data: TrainingData) -> Generator[str, None, Selected]:
    """Half way back to the starting model where that serves the labels as well: it drifts less on pictures nobody labelled.

    Averaging the weights before and after: Wortsman et al. 2022, arXiv 2109.01903.
    """
    half = half_way(learner.start, kept.tensors)
    if data.split.validation:
        learner.load(half)
        judged = yield from learner.evaluate(data.split.validation)
        untouched = course.curve[0]["validation_iou"] - (TOLERATED_IOU if data.mistaken else 0.0)
        if judged["validation_iou"] < (min(untouched, kept.score[0]) if data.strokes else max(kept.score[0] - TOLERATED_IOU, untouched)):
            return kept
    as_well = "" if data.strokes else ", which serves these labels as well"
    note = f"kept is what lies half way between the new and the starting model{as_well}: on other images that is right more often"
    return replace(kept, tensors=half, notes=(note,))


def _no_more_than_said(kept: Selected, learner: Learner, course: TrainingCourse, data: TrainingData) -> Generator[str, None, Selected]:
    """What is kept, half of the way to it, or the starting model: whichever strokes speak for most.

    A few strokes on what looks like the rest of a picture may turn all of it over: what they say is weighed against that (see
    `stroke_worth`). Only that is foreground which is sure enough to become a particle: a training that leaves every outline, but makes
    the model doubt it, has lost it. Most sure particles that no stroke contradicts must stay. The parts that are looked at are those of
    the strokes, few enough for every machine: what becomes of strokes does not hang on how fast it is.
    """
    least = KEPT_FROM if learner.model.spec.working_size else 0.0
    parts = data.weighed()
    said = yield from _said(learner, learner.start, parts)
    before = [sure_classes(each, least) for each in said]
    ways: list[Tensors] = []
    found: list[list[npt.NDArray[np.uint8]]] = []
    for tensors in (kept.tensors, half_way(learner.start, kept.tensors)):
        ways.append((yield from put_back(learner, tensors, parts, said, before)))
        found.append([sure_classes(each, least) for each in (yield from _said(learner, ways[-1], parts))])
    best = best_way([part.labels for part in parts], found, before)
    if best == 0:
        return replace(kept, tensors=ways[0])
    if best == 1:
        half = "half of what was learnt is taken: all of it would have changed too much that your strokes say nothing about"
        return replace(kept, tensors=ways[1], notes=(*kept.notes, half))
    score = scored(course, course.curve[0] if data.split.validation else {})
    labels = [part.labels for part in parts]
    unused = max((0, 1), key=lambda which: stroke_worth(labels, found[which], before))
    note = f"{STAYS}: {'; '.join(why_not(labels, found[unused], before))}"
    return Selected(learner.start, 0, score, learner.first_scales, (note,), ways[unused], kept.step)


def _said(learner: Learner, tensors: Tensors, parts: Sequence[LabelledPlane]) -> Generator[str, None, list[npt.NDArray[np.float32]]]:
    """What the network says of parts with these tensors."""
    learner.load(tensors)
    found = []
    for part in parts:
        found.append(learner.said(part))
        yield ""
    return found


def half_way(start: Tensors, end: Tensors) -> Tensors:
    """The mean of two sets of tensors."""
    return {name: torch.lerp(start[name], tensor, 0.5) if tensor.is_floating_point() else tensor for name, tensor in end.items()}


def contradictions(learner: Learner, data: TrainingData, rest: Callable[[], float]) -> Generator[str, None, list[str]]:
    """Name the micrographs that the network as it is does not serve: one that does well may hide one that does not.

    Those whose labels it still contradicts, and those without labels on which it finds something else than the starting model. Those for
    which the `rest` of the time (s) does not suffice are counted only.
    """
    notes, left = [], []
    for plane in named_at_the_end(learner, data):
        parts = _named(plane)
        if learner.pace.affords(rest()) < sum(_cost(learner, part, scales) for part, scales in parts) or rest() <= 0:
            left.append(plane)
            continue
        if isinstance(plane, LabelledPlane):
            said = "the new model still contradicts your labels there (IoU {:.2f}); stroke what is wrong and train on"
        else:
            said = OTHER_THINGS + " than the starting one (IoU {:.2f}); compare before you use it there"
        judged = yield from learner.evaluate([part for part, _ in parts], "labels", parts[0][1])
        least = CONTRADICTED_IOU if isinstance(plane, LabelledPlane) else OTHERWISE_IOU
        if (iou := judged["labels_iou"]) < least:
            notes.append(f"{plane.name}: {said.format(iou)}")
    if left:
        which = f"{len(left)} of the images" if len(left) > 1 else left[0].name
        notes.append(f"the time did not suffice to try the new model on {which}: look before you use it there")
    return notes


def _cost(learner: Learner, part: LabelledPlane, scales: tuple[float, ...]) -> float:
    """Pixels that the network is shown of a part at these scales (none: those at which the model will look at it)."""
    return learner.pixels(part.image.shape, scales or learner.scales_for(part))


def _named(plane: TrainingPlane) -> list[tuple[LabelledPlane, tuple[float, ...]]]:
    """What of a micrograph is looked at at the end, and at which scales (none: those of the model)."""
    if isinstance(plane, LabelledPlane):
        return [(part, ()) for part in windows([plane.bare], {int(n) for n in np.unique(plane.labels) if n > 0}, zoom=zoom_at([plane]))]
    nothing = np.zeros_like(plane.image)
    classes = nothing.astype(np.uint8) if plane.start is None else plane.start.classes
    labels = LabelledPlane(image=plane.image, labels=classes, known=nothing > 0, distance=nothing)
    return [(part, plane.scales) for part in windows([labels], {int(n) for n in np.unique(classes)})]


def released(
    learner: Learner, course: TrainingCourse, data: TrainingData, seconds: float, unused: tuple[Tensors, int] | None = None
) -> Segmenter:
    """The model of the network as it is, which is the best, with how it came about in `seconds`; the learner is done with it.

    What was learnt and is `unused` (and after how many steps) goes with it, as a model that somebody may look at.
    """
    freeze_encoder(learner.network, False)
    network = learner.network.to("cpu", memory_format=torch.contiguous_format)
    record = {
        "kind": "trained",
        "base": data.task.base.content_hash() if data.task.base else "",
        "config": recorded(learner.config),
        "labels": {count.name: {"pixels": count.pixels, "objects": count.objects} for count in data.counts.values()},
        "device": learner.device.describe(),
        "validation": data.split.sentence,
        "notes": course.notes,
        "depth_taught": data.depth_taught,
        "steps": course.steps,
        "best_step": course.best_step,
        "seconds": round(seconds, 2),
        "curve": course.curve,
    }
    if course.tuned is not None:
        record["tuned"] = course.tuned
    sizes = [size for plane in data.planes.labelled if (size := labelled_size(plane))] if learner.new_decoder else []
    if sizes:
        record["size"] = round(float(np.median(sizes)) * learner.model.scales[0], 2)
    history, name = [*learner.model.history, record], learner.model.name
    trained = f"{name or 'model'}+"
    other = None
    if unused is not None:
        twin = copy.deepcopy(network)
        twin.load_state_dict(unused[0])
        model = _at_its_scales(learner.model, unused[1], learner.new_decoder, data.task.base)
        own = {**record, "best_step": unused[1], "notes": [note for note in course.notes if not note.startswith(STAYS)]}
        other = replace(model, weights=twin, history=[*learner.model.history, own], name=trained, unused=None)
    model = _at_its_scales(learner.model, course.best_step, learner.new_decoder, data.task.base)
    name = name if course.best_step == 0 and data.task.base else trained
    return replace(model, weights=network, history=history, name=name, unused=other)


def _at_its_scales(model: Segmenter, best_step: int, new_decoder: bool, base: Segmenter | None) -> Segmenter:
    """The model as it will be used: it was moved, no more, so which scales suit a picture it tells by itself as before.

    Unless it goes by the pixel size, or has a new decoder, which learnt at the scales that it has. One that answers for a band of sizes
    never goes by the pixel size: which size is meant is told or found, picture by picture.
    """
    if base and best_step == 0:  # as it was
        model = replace(model, familiar=base.familiar, confidence=base.confidence)
        return replace(model, scales=base.scales, fixed_scale=base.fixed_scale, pixel_size=base.pixel_size)
    if base is None or new_decoder or (model.pixel_size and not model.spec.working_size):
        return model
    return replace(model, scales=base.scales, fixed_scale=base.fixed_scale, pixel_size=base.pixel_size)
