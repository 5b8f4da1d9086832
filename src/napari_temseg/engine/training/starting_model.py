"""What a training starts from: the model, and what it says of the planes before anything is learnt."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain
from typing import TypeVar

import numpy as np
import torch
from scipy import ndimage

from napari_temseg.engine.model.backends.backend import Backend
from napari_temseg.engine.model.network import extend_head, working_size_of
from napari_temseg.engine.model.network_spec import NetworkSpec
from napari_temseg.engine.model.prediction import fill
from napari_temseg.engine.model.runner import Known, Runner, made_ready
from napari_temseg.engine.model.scales import CORE
from napari_temseg.engine.model.segmenter import SAME_SIZE, AsItIs, Segmenter
from napari_temseg.engine.model.tiles import PlanePart, parts
from napari_temseg.engine.training import schedule
from napari_temseg.engine.training.dataset import Dataset, LabelledPlane, TrainingPlane, labelled_planes
from napari_temseg.engine.training.rehearsal import rehearsal
from napari_temseg.engine.training.task import BeyondBand, TrainingTask
from napari_temseg.engine.types.annotations import default_name
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.micrograph import Calibration, Micrograph
from napari_temseg.engine.types.progress import Control, Progress, mapped
from napari_temseg.engine.types.results import FIRST_CLASS, Prediction

T = TypeVar("T")

CUT_FROM = 2048**2  # px of a plane from which on only the part round its labels is made ready
AT_ONCE = 1 << 20  # px, as they are shown, up to which the model is asked of a labelled plane at once; of a larger one part by part
PART_ASKED = 384  # px, as they are shown, along a part …
ASKED_ROUND = 96  # … and round it, which the network sees too


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
        return replace(model.suited(size), fixed_scale=True, pixel_size=size, familiar=None)
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
    `READY_SHARE` of the time is over, the model is asked of no more: of labelled planes it is heard where it was asked, beginning with
    where most is labelled, others are left. Which labels there are, and so which are held out, never hangs on the time.
    """
    by_item: list[list[LabelledPlane]] = []
    for item in task.annotations.items:
        yield Progress("prepare", 0.0, f"{item.micrograph.name}: making the labels ready", control.elapsed)
        planes, said = labelled_planes(item, task.normalisation), task.said_of(item.micrograph)
        scales = () if said is not None else task.scales_of(item.micrograph)
        by_item.append([replace(plane, scales=scales) if said is None else plane.answered(said.at(plane.index)) for plane in planes])
        if said is not None and task.base is not None:
            for index, plane in enumerate(by_item[-1]):
                by_item[-1][index] = yield from _in_band(plane, task.base, said.at(plane.index), task.beyond, control)
        by_item[-1] = [_round_its_labels(plane, task.config.crop) if plane.image.size > CUT_FROM else plane for plane in by_item[-1]]
    labelled = Dataset(tuple(chain.from_iterable(by_item)))
    if task.base is None or task.config.hold == 0:
        return Dataset.of(plane.bare for plane in labelled.labelled)
    # The images are normalised already; an identity normalisation lets the predictor run on them as they are.
    reader = replace(task.base, normalisation=AsItIs())
    others = rehearsal(task, simulated=not labelled.sparse)
    ready = cache(partial(made_ready, reader, task.predicting))  # where anything is asked at all
    until = schedule.READY_SHARE * task.config.max_seconds
    # A few strokes change little of what other pictures are: learning them is worth more of the time.
    others_until = schedule.OTHERS_SHARE * task.config.max_seconds if labelled.sparse else until
    asking = _Asking(reader, task.predicting, ready, control, (until, others_until), task.config.crop, task.beyond)
    done: list[TrainingPlane] = []
    every: list[TrainingPlane] = [*others.held, *others.watched]
    if labelled.whole:
        done += yield from _at_own_scale(by_item, asking)
        if control.finishing:
            return Dataset.of(done)
    else:
        every = [*labelled.labelled, *every]
    return Dataset.of([*done, *(yield from _answered(every, asking))])


@dataclass(frozen=True, eq=False)
class _Asking:
    """How the starting model (`reader`, of images that are normalised) is asked, until so many `seconds` of the job are over, of pictures
    with labels and without; crops that are learnt from have `crop` px."""

    reader: Segmenter
    config: PredictConfig
    ready: Callable[[], Backend]
    control: Control
    seconds: tuple[float, float]
    crop: int
    beyond: BeyondBand | None

    def late(self, *, other: bool = False) -> bool:
        """Whether no more is asked, or none of `other` pictures, without labels."""
        return self.control.elapsed > self.seconds[other]

    def runner(self, plane: TrainingPlane, size: float | None = None) -> Runner:
        """That looks at a plane, for particles of just a size (px) where one is given."""
        config = self.config if size is None else replace(self.config, typical_size=size, exact_size=True)
        config = replace(config, scales=plane.scales) if plane.scales and size is None else config
        return Runner(self.reader, config, plane.pixel_size, self.ready())


def _in_band(
    plane: LabelledPlane, model: Segmenter, said: Prediction, beyond: BeyondBand | None, control: Control
) -> Generator[Progress, None, LabelledPlane]:
    """A plane without strokes on particles beyond the sizes that it was looked at for: at that scale they would teach that parts of what
    is larger, or noise, are particles."""
    if beyond is None or plane.whole or control.finishing:
        return plane
    message = f"{plane.name}: seeing how large what was stroked is"
    there = yield from mapped(beyond(model, said, plane.labels), lambda _: Progress("prepare", 0.0, message, control.elapsed))
    return plane.without(there) if there.any() else plane


def _round_its_labels(plane: LabelledPlane, margin: int) -> LabelledPlane:
    """The part of a large plane that crops can come from."""
    y, x = np.nonzero(plane.labels)
    return plane.cut(*(slice(max(0, int(at.min()) - margin), int(at.max()) + 1 + margin) for at in (y, x)))


def _answered(every: Sequence[TrainingPlane], asking: _Asking) -> Generator[Progress, None, list[TrainingPlane]]:
    """Planes with what the starting model says of each; those of which that is known are not asked about again.

    Something must be held: where it is late before any is answered, the model is asked of a small part of the first all the same.
    """
    asked = [plane for plane in every if plane.start is None]
    total, past = sum(plane.image.size for plane in asked), 0
    answers: dict[int, TrainingPlane] = {}
    enough = len(asked) < len(every)
    for number, plane in enumerate(asked, start=1):
        message = f"asking the model to start from, picture {number} of {len(asked)}"
        said: list[Prediction] = []
        for share in _asked(plane, asking, said, least=0 if enough or answers else 1):
            if asking.control.finishing:
                return [each.bare for each in every]
            yield Progress("prepare", (past + share * plane.image.size) / total, message, asking.control.elapsed)
        if said:
            known = plane.answered(said[0])
            if isinstance(known, LabelledPlane):
                known = yield from _in_band(known, asking.reader, said[0], asking.beyond, asking.control)
            answers[id(plane)] = known
        past += plane.image.size
    return [each for plane in every if (each := answers.get(id(plane), plane)).start or isinstance(each, LabelledPlane)]


def _asked(plane: TrainingPlane, asking: _Asking, said: list[Prediction], *, least: int) -> Generator[float, None, None]:
    """Put what the starting model says of a plane into `said`; yields the share done.

    Of a labelled plane it is asked where crops can come from, first where most is labelled; the size is looked for all over the plane, as
    in a search. When it is late, no more than the `least` parts are asked about: probabilities are 0 elsewhere.
    """
    late = _never if least else partial(asking.late, other=not isinstance(plane, LabelledPlane))
    if late():
        return
    runner, image = asking.runner(plane), plane.image
    known: Known | None = {}
    if runner.adaptive:
        known = yield from _until(runner.settle(image, None), late)
        if known is None:
            return
    cut = _round_labels(plane, runner.scales, asking.crop) if isinstance(plane, LabelledPlane) else []
    size = Calibration((plane.pixel_size,) * 2) if plane.pixel_size else Calibration()
    found, whole = runner.blank(asking.reader, Micrograph(image, calibration=size)), (slice(None), slice(None))
    for done, part in enumerate(cut or [PlanePart(whole, whole, whole)]):
        if done >= least and asking.late(other=not isinstance(plane, LabelledPlane)):
            break
        raw = yield from _until(runner.plane(image[part.window], None if cut else known), late)
        if raw is None:
            return
        fill(found.within(part.core), raw[..., *part.inner])
        yield (done + 1) / max(1, len(cut))
    said.append(found)


def _until(steps: Generator[float, None, T], late: Callable[[], bool]) -> Generator[float, None, T | None]:
    """Yield at each step; what it returns, None once it is late."""
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            result: T = ended.value
            return result
        if late():
            return None
        yield 0.0


def _never() -> bool:
    return False


def _round_labels(plane: LabelledPlane, scales: tuple[float, ...], crop: int) -> list[PlanePart]:
    """The parts of a large plane that crops can come from, those with most labels first; none of a small one: it is looked at whole."""
    if plane.image.size * max(scales) ** 2 <= AT_ONCE:
        return []
    drawn = plane.labels > 0
    near = ndimage.maximum_filter(drawn, 2 * math.ceil(crop / min(scales)) + 1)
    cut = parts(drawn.shape, max(1, int(PART_ASKED / max(scales))), math.ceil(ASKED_ROUND / min(scales)))
    return sorted((part for part in cut if near[part.core].any()), key=lambda part: -np.count_nonzero(drawn[part.core]))


def labelled_size(plane: LabelledPlane) -> float | None:
    """The median width (px) of the particles that are outlined in a plane, at least 2; None where there are none."""
    # Their depth tells touching ones apart.
    core, count = ndimage.label(plane.known & (plane.labels >= FIRST_CLASS) & (plane.distance > CORE))
    if not count:
        return None
    areas = np.bincount(core.ravel())[1:]
    return max(2.0, float(np.median(4 * np.sqrt(areas / math.pi))))


def _at_own_scale(by_item: Sequence[Sequence[LabelledPlane]], asking: _Asking) -> Generator[Progress, None, list[LabelledPlane]]:
    """The planes with the scales that suit the middle one of each micrograph; when it is late, of those that were looked at."""
    scaled: list[LabelledPlane] = []
    for number, group in enumerate(by_item, start=1):
        middle = group[len(group) // 2]
        told = asking.config.typical_size or asking.config.typical_nm
        drawn = labelled_size(middle) if asking.reader.spec.working_size and not told else None
        if middle.scales and not drawn:  # known from a search
            scaled += [replace(plane.bare, scales=middle.scales) for plane in group]
            continue
        if asking.late() and scaled:
            scaled += group
            continue
        runner = asking.runner(middle, drawn)
        message = f"seeing how large particles are, picture {number} of {len(by_item)}"
        if runner.adaptive:
            for _ in runner.settle(middle.image, None):
                if asking.control.finishing:
                    return [plane.bare for plane in chain.from_iterable(by_item)]
                yield Progress("prepare", 0.0, message, asking.control.elapsed)
        scaled += [replace(plane, scales=runner.scales) for plane in group]
    return scaled
