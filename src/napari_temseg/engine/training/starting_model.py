"""What a training starts from: the model, and what it says of the planes before anything is learnt."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import chain

import numpy as np
import torch
from scipy import ndimage

from napari_temseg.engine.model.backends.backend import Backend
from napari_temseg.engine.model.network import extend_head, working_size_of
from napari_temseg.engine.model.network_spec import NetworkSpec
from napari_temseg.engine.model.prediction import iter_predict
from napari_temseg.engine.model.runner import Runner, made_ready
from napari_temseg.engine.model.scales import CORE
from napari_temseg.engine.model.segmenter import SAME_SIZE, AsItIs, Segmenter
from napari_temseg.engine.training import schedule
from napari_temseg.engine.training.dataset import Dataset, LabelledPlane, TrainingPlane, labelled_planes
from napari_temseg.engine.training.rehearsal import rehearsal
from napari_temseg.engine.training.task import TrainingTask
from napari_temseg.engine.types.annotations import default_name
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.micrograph import Calibration, Micrograph
from napari_temseg.engine.types.progress import Control, Progress
from napari_temseg.engine.types.results import FIRST_CLASS

CUT_FROM = 2048**2  # px of a plane from which on only the part round its labels is made ready


PART_IN_TIME = 192  # px, side of the part of a picture that is made ready where the time does not suffice for more


def starting_model(task: TrainingTask) -> Segmenter:
    """A copy of the base with room for every class that is labelled, or a new model as the settings say."""
    class_names, config = task.annotations.class_names, task.config
    wanted = max(class_names)
    if task.base is None:
        size = working_size_of(config.encoder, config.encoder_weights)
        spec = NetworkSpec(config.encoder, n_classes=wanted, auxiliary=("distance",), working_size=size)
        return Segmenter.new(spec, class_names, config.encoder_weights, config.seed)
    model = task.base.copy()
    spec = model.spec
    if wanted > spec.n_classes:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            spec = extend_head(model.network, spec, wanted)
    names = {n: name for n, name in class_names.items() if n not in model.classes or name != default_name(n)}
    return replace(model, spec=spec, classes={**model.classes, **names})


def at_one_scale(model: Segmenter, planes: Sequence[LabelledPlane]) -> Segmenter:
    """The model with its working scales fixed to those that suit most of the planes, and the pixel size they belong to.

    It is used as it was trained: where the planes have one pixel size, pictures of another are looked at larger or smaller by the ratio.
    """
    size = _common([plane.pixel_size for plane in planes])
    if not model.finds_scale:
        return replace(model.suited(size), fixed_scale=True, pixel_size=size, familiar=None, confidence=None)
    seen = Counter(plane.scales for plane in planes if plane.scales).most_common(1)
    return replace(model, scales=seen[0][0] if seen else model.scales, fixed_scale=True, pixel_size=size, familiar=None)


def _common(sizes: Sequence[float]) -> float:
    """The pixel size (nm) of all planes, 0 where there is no such one."""
    if not sizes or min(sizes) <= 0 or max(sizes) > (1 + SAME_SIZE) * min(sizes):
        return 0.0
    return float(np.median(sizes))


def prepared(task: TrainingTask, control: Control) -> Generator[Progress, None, Dataset]:
    """Every plane, with what the starting model says where that is to be held; yields between tiles.

    Where every labelled plane is labelled whole there is nothing to hold on it: only the working scale is looked for, once a
    micrograph. When the job is asked to finish meanwhile, no step will follow, and the planes are returned as they are. When
    `READY_SHARE` of the time is over, the model is asked of no other plane than the first: labelled ones are learnt without being held,
    others are left.
    """
    by_item: list[list[LabelledPlane]] = []
    for item in task.annotations.items:
        yield Progress("prepare", 0.0, f"{item.micrograph.name}: making the labels ready", control.elapsed)
        planes, said = labelled_planes(item, task.normalisation), task.said_of(item.micrograph)
        by_item.append([plane if said is None else plane.answered(said.at(plane.index)) for plane in planes])
        by_item[-1] = [_round_its_labels(plane, task.config.crop) if plane.image.size > CUT_FROM else plane for plane in by_item[-1]]
    labelled = Dataset(tuple(chain.from_iterable(by_item)))
    if task.base is None or task.config.hold == 0:
        return Dataset.of(plane.bare for plane in labelled.labelled)
    # The images are normalised already; an identity normalisation lets the predictor run on them as they are.
    reader = replace(task.base, normalisation=AsItIs())
    others = rehearsal(task, simulated=not labelled.sparse)
    ready = cache(partial(made_ready, reader, task.predicting))  # where anything is asked at all
    done: list[TrainingPlane] = []
    every: list[TrainingPlane] = [*others.held, *others.watched]
    late = partial(_late, control, schedule.READY_SHARE * task.config.max_seconds)
    if labelled.whole:
        done += yield from _at_own_scale(by_item, reader, task.predicting, ready, control, late)
        if control.finishing:
            return Dataset.of(done)
    else:
        every = [*labelled.labelled, *every]
    return Dataset.of([*done, *(yield from _answered(every, reader, task.predicting, ready, control, late))])


def _round_its_labels(plane: LabelledPlane, margin: int) -> LabelledPlane:
    """The part of a large plane that crops can come from."""
    y, x = np.nonzero(plane.labels)
    return plane.cut(*(slice(max(0, int(at.min()) - margin), int(at.max()) + 1 + margin) for at in (y, x)))


def _most_labelled(plane: LabelledPlane) -> tuple[LabelledPlane, LabelledPlane]:
    """A part of a plane where most is labelled, and the plane without the labels of that."""
    near = ndimage.uniform_filter((plane.labels > 0).astype(np.float32), PART_IN_TIME, mode="constant")
    centre = np.unravel_index(int(near.argmax()), near.shape)
    window = tuple(slice(max(0, int(c) - PART_IN_TIME // 2), int(c) + PART_IN_TIME // 2) for c in centre)
    elsewhere = np.ones(plane.labels.shape, bool)
    elsewhere[window] = False
    return plane.cut(*window), plane.only(elsewhere)


def _late(control: Control, seconds: float) -> bool:
    return control.elapsed > seconds


def _answered(
    every: Sequence[TrainingPlane],
    reader: Segmenter,
    config: PredictConfig,
    ready: Callable[[], Backend],
    control: Control,
    late: Callable[[], bool],
) -> Generator[Progress, None, list[TrainingPlane]]:
    """Planes with what the starting model says of each; those of which that is known are not asked about again.

    Something must be held: where it is late before any is answered, the model is asked of a small part of the first instead, where most
    is labelled, and that is a plane of its own.
    """
    asked = [plane for plane in every if plane.start is None]
    total, past = sum(plane.image.size for plane in asked), 0
    answers: dict[int, TrainingPlane] = {}
    enough = len(asked) < len(every)
    for number, plane in enumerate(asked, start=1):
        known = Calibration((plane.pixel_size,) * 2) if plane.pixel_size else Calibration()
        job = iter_predict(reader, Micrograph(plane.image, calibration=known), config, network=ready())
        for step in job:
            if control.finishing:
                return [each.bare for each in every]
            if late():
                some = [found for each in every if (found := answers.get(id(each), each)).start or isinstance(found, LabelledPlane)]
                if enough or answers or not isinstance(plane, LabelledPlane):
                    return some
                part, rest = _most_labelled(plane)
                yield Progress("prepare", 1.0, "asking the model to start from, of a part", control.elapsed)
                said = iter_predict(reader, Micrograph(part.image, calibration=known), config, network=ready()).drain()
                left = [rest if each is plane else each for each in some if each is not plane or rest.labels.any()]
                return [part.answered(said), *left]
            message = f"asking the model to start from, picture {number} of {len(asked)}"
            yield Progress("prepare", (past + step.fraction * plane.image.size) / total, message, control.elapsed)
        answers[id(plane)] = plane.answered(job.result)
        past += plane.image.size
    return [answers.get(id(plane), plane) for plane in every]


def labelled_size(plane: LabelledPlane) -> float | None:
    """The median width (px) of the particles that are outlined in a plane, at least 2; None where there are none."""
    # Their depth tells touching ones apart.
    core, count = ndimage.label(plane.known & (plane.labels >= FIRST_CLASS) & (plane.distance > CORE))
    if not count:
        return None
    areas = np.bincount(core.ravel())[1:]
    return max(2.0, float(np.median(4 * np.sqrt(areas / math.pi))))


def _at_own_scale(
    by_item: Sequence[Sequence[LabelledPlane]],
    reader: Segmenter,
    config: PredictConfig,
    ready: Callable[[], Backend],
    control: Control,
    late: Callable[[], bool],
) -> Generator[Progress, None, list[LabelledPlane]]:
    """The planes with the scales that suit the middle one of each micrograph; when it is late, of those that were looked at."""
    scaled: list[LabelledPlane] = []
    for number, group in enumerate(by_item, start=1):
        middle = group[len(group) // 2]
        told = config.typical_size or config.typical_nm
        drawn = labelled_size(middle) if reader.spec.working_size and not told else None
        if middle.scales and not drawn:  # known from a search
            scaled += [replace(plane.bare, scales=middle.scales) for plane in group]
            continue
        if late() and scaled:
            scaled += group
            continue
        runner = Runner(reader, replace(config, typical_size=drawn, exact_size=True) if drawn else config, middle.pixel_size, ready())
        message = f"seeing how large particles are, picture {number} of {len(by_item)}"
        if runner.adaptive:
            for _ in runner.settle(middle.image, None):
                if control.finishing:
                    return [plane.bare for plane in chain.from_iterable(by_item)]
                yield Progress("prepare", 0.0, message, control.elapsed)
        scaled += [replace(plane, scales=runner.scales) for plane in group]
    return scaled
