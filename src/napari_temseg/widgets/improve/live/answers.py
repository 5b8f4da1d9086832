"""What answers strokes in another thread: one plane for the eye, or a whole micrograph as its result."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.interactive.active_learning import Place, places, planes_by_uncertainty, uncertainty
from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS, Prediction
from napari_temseg.engine.types.wording import LOADING, at_plane, several
from napari_temseg.pipeline.find import Found, Stack, measured, outward
from napari_temseg.widgets.canvas.colours import N_CLASS_COLOURS
from napari_temseg.widgets.canvas.outline_width import inner_borders
from napari_temseg.widgets.improve.live.pace import STAGE_ANSWER, STAGE_LOOK, STAGE_MEASURE, STAGE_SPLIT, AnswerCourse, UseCourse
from napari_temseg.widgets.improve.live.sure_so_far import SureSoFar, not_weighed

if TYPE_CHECKING:
    from napari_temseg.engine.interactive.linear_head import Ground
    from napari_temseg.widgets.session.item import Item

ANSWERING = "answering the strokes"
DASH = 2  # × the width of a line: length of a dash, and of the gap after it
Strokes = npt.NDArray[np.uint8]


class LiveTarget(NamedTuple):
    """What is answered: a plane of a micrograph, by a model (a `Segmenter`, or the name or file of one)."""

    item: Item
    plane: int
    model: Any
    predict: PredictConfig


@dataclass(frozen=True, eq=False)
class LiveAnswer:
    """What a plane looks like after `strokes`; `drawing` is what `overlays.show_answer` takes, `unsure` its uncertainty if asked for."""

    ground: Ground
    strokes: Strokes
    prediction: Prediction
    drawing: npt.NDArray[np.uint8]
    unsure: npt.NDArray[np.float32] | None
    split: SplitConfig | None = None  # how it would be split when it is used, which tells what is …
    given_up: npt.NDArray[np.bool_] | None = None

    @property
    def sure_so_far(self) -> SureSoFar | None:
        """What the next one is drawn by until it is weighed; None where this one was not."""
        taken = self.prediction.all_classes() >= FIRST_CLASS
        return None if self.given_up is None else SureSoFar(taken, taken & ~self.given_up)


def like(predict: PredictConfig, known: Prediction | None) -> PredictConfig:
    """The settings with which a plane is looked at as another was: for particles of the size that was found there, unless one far from it
    is told.
    """
    if known is None or not known.size or predict.scales:
        return predict
    if known.other is not None:
        return replace(predict.for_size(known.size), exact_size=True, other_size=known.other.size)
    if predict.exact_size:
        return predict
    pixel = known.micrograph.calibration.nanometres
    if predict.typical_nm and not pixel:
        return predict
    told = predict.typical_in(pixel)
    if told is not None and not known.suits(told):
        return predict
    return replace(predict.for_size(known.size), exact_size=True)


def known_of(found: Prediction | None, plane: int, image: Micrograph, predict: PredictConfig) -> Prediction | None:
    """What a search `found` of a plane (`image`), where it was one for the size of `predict` with the same areas left out; else None."""
    if found is None or not found.size or found.size != predict.typical_size or found.pixel_ratio != 1:
        return None
    said = found.at(plane)
    before, now = said.micrograph.valid, image.valid
    same = before is now or (before is not None and now is not None and np.array_equal(before, now))
    return said if same else None


def loaded(model: Any) -> Any:
    """The `Segmenter` behind a name or a file."""
    from napari_temseg.api import load

    return load(model) if isinstance(model, str) else model


def iter_ground(model: Any, plane: Micrograph, predict: PredictConfig, searched: Prediction | None = None) -> Job[Ground]:
    """The engine's, in a file that may be imported without torch; `model` may be a name. What was `searched` counts where it is its own."""

    def steps(control: Control) -> Generator[Progress, None, Ground]:
        from napari_temseg.engine.interactive.linear_head import iter_ground as look

        yield Progress("look", 0.0, LOADING, control.elapsed)
        own = loaded(model)
        job = look(own, plane, predict, searched if searched is not None and searched.model_hash == own.content_hash() else None)
        yield from job
        return job.result

    return Job(steps)


def iter_answer(
    ground: Ground | Job[Ground],
    strokes: Strokes,
    *,
    unsure: bool,
    split: SplitConfig | None = None,
    before: SureSoFar | None = None,
) -> Job[LiveAnswer]:
    """Answer the strokes (Y, X) of a plane; `unsure` asks for its uncertainty too. `split` is how it will be split when it is used.

    To weigh what will be given up takes longer than all else: where it is known what was sure `before`, a `Progress` has the answer as its
    preview, in which nothing else is.
    """

    def steps(control: Control) -> Generator[Progress, None, LiveAnswer]:
        from napari_temseg.engine.interactive.linear_head import answer

        course = AnswerCourse(control, strokes.size, looks=isinstance(ground, Job))
        if isinstance(ground, Job):
            yield from (course.looked(step) for step in ground)
            course.looked_at()
        known = ground.result if isinstance(ground, Job) else ground
        yield course.at(STAGE_ANSWER, "answering")
        with course.doing(STAGE_ANSWER):
            found = answer(known, strokes, depth=False)
        classes, doubt = whole(found, strokes, split), uncertainty(found) if unsure else None

        def made(gone: npt.NDArray[np.bool_]) -> LiveAnswer:
            small = found.classes >= FIRST_CLASS if found.other is not None else None
            return LiveAnswer(known, strokes, found, drawn(classes, found.micrograph.valid, gone, small), doubt, split, gone)

        first = None if before is None else made(not_weighed(classes, strokes, before))
        yield course.at(STAGE_SPLIT, "weighing", preview=first)
        with course.doing(STAGE_SPLIT):
            gone = given_up(found, strokes, split)  # most of what splitting does
        return made(gone)

    return Job(steps)


def whole(found: Prediction, strokes: Strokes, split: SplitConfig | None) -> npt.NDArray[np.uint8]:
    """The classes (Y, X) of an answer as they will be used: a particle is no ring."""
    from napari_temseg.engine.particles.rings import without_holes

    each = [without_holes(one, split or SplitConfig(), strokes) for one in (found, found.other) if one is not None]
    return each[0] if len(each) == 1 else np.asarray(np.maximum(*each))


def given_up(found: Prediction, strokes: Strokes, split: SplitConfig | None) -> npt.NDArray[np.bool_]:
    """Where an answer has what is no particle once it is used (Y, X): too unsure, or too small or large for what is looked for. Of two
    sizes, what is one of either stays."""
    if found.other is not None:
        each = [replace(found, other=None), found.other]
        left = [given_up(one, strokes, split) for one in each]
        stays = [(one.classes >= FIRST_CLASS) & ~out for one, out in zip(each, left, strict=True)]
        return np.asarray((left[0] | left[1]) & ~(stays[0] | stays[1]))
    from napari_temseg.engine.particles.splitting import divisible, seen_of, weighed_pieces
    from napari_temseg.engine.particles.weighing import default_certainty

    config = split or SplitConfig()
    plane = replace(found, **_drawn_on(strokes), other=None)
    pieces = weighed_pieces(divisible(plane, config), plane, config, seen_of(plane))
    least = default_certainty(plane) if config.certainty is None else config.certainty
    gone = ~pieces.stay(least)
    gone[0] = False
    return np.asarray(gone[pieces.labels])


def drawn(
    classes: npt.NDArray[np.uint8],
    valid: npt.NDArray[np.bool_] | None = None,
    given_up: npt.NDArray[np.bool_] | None = None,
    small: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.uint8]:
    """Classes (Y, X) as faint areas with strong inner edges, in the numbers that `overlays.show_answer` takes.

    Nothing is drawn outside `valid` (Y, X): what is left out becomes no particle when the answer is used. What will be `given_up` (Y, X)
    has a dashed edge and no area. `small` (Y, X) particles have an edge on large ones too.
    """
    if valid is not None:
        classes = np.where(valid, classes, np.uint8(0))
    thick = 1 + max(1, min(classes.shape) // 700)
    inside = classes >= FIRST_CLASS
    edge = inner_borders(classes, thick)
    if small is not None:
        edge |= inner_borders(small.astype(np.uint8), thick) & inside
    shown = (classes - np.uint8(FIRST_CLASS)) % np.uint8(N_CLASS_COLOURS) * np.uint8(2) + np.uint8(1)
    drawing = np.where(inside, shown + edge.astype(np.uint8), np.uint8(0))
    if given_up is not None:
        y, x = np.ogrid[: classes.shape[0], : classes.shape[1]]
        drawing[given_up & ~(edge & ((x + y) // (DASH * thick) % 2 == 0))] = 0
    return drawing


class Task(NamedTuple):
    """A micrograph whose strokes are to be answered on all planes; `grounds` are those planes that were looked at already."""

    image: Micrograph
    model: Any
    predict: PredictConfig
    split: SplitConfig
    strokes: Strokes
    names: Mapping[int, str]
    grounds: Mapping[int, Ground]
    first: int
    searched: Prediction | None = None  # what the last search said
    doubted: float | None = None  # and which share of its particles it rather doubted; None where there was none


def iter_use(task: Task) -> Job[Found]:
    """The answer as the result of a whole micrograph, split and measured; planes without strokes are as the model says."""

    def steps(control: Control) -> Generator[Progress, None, Found]:
        from napari_temseg.engine.interactive.linear_head import answer
        from napari_temseg.engine.particles.splitting import split

        image, strokes = task.image, task.strokes.reshape((-1, *task.image.frame))
        n, model = image.n_planes, task.model
        course = UseCourse(control, n, math.prod(image.frame), n - len(task.grounds))
        answers: dict[int, Prediction] = {}
        unstroked: list[Prediction] = []
        known = next((ground.prediction for ground in task.grounds.values()), None)
        for done, plane in enumerate(outward(n, task.first)):
            said = f"{image.name}: {at_plane(done, n) or ANSWERING}"
            ground = task.grounds.get(plane)
            if ground is None:
                yield course.at(said if model is not task.model else LOADING)
                model = loaded(model)
                settings = like(task.predict, known or task.searched)
                job = iter_ground(model, image.at(plane), settings, known_of(task.searched, plane, image.at(plane), settings))
                with course.doing(STAGE_LOOK):
                    for step in job:
                        yield course.at(said, step.fraction)
                ground = job.result
            known = known or ground.prediction
            yield course.at(said)
            with course.doing(STAGE_ANSWER):
                answers[plane] = answer(ground, strokes[plane])
            if task.doubted is None and strokes[plane].any():  # the others are as it says, and tell it by themselves
                unstroked.append(ground.prediction)
        whole = _gathered([answers[plane] for plane in range(n)], image, strokes, task.names)
        planes = Stack(image)
        for plane in range(n):
            yield course.at(f"{image.name}: splitting")
            with course.doing(STAGE_SPLIT):
                planes.put(plane, split(whole.at(plane), task.split))
        doubted = task.doubted
        if doubted is None:  # beside what the course counts, where nothing was searched before
            doubted = _doubted(unstroked, task.split)
        whole = replace(whole, doubted=doubted)
        particles = planes.whole(whole)
        yield course.at(f"{image.name}: measuring {several(len(particles), 'particle')}")
        with course.doing(STAGE_MEASURE):
            measurement = measured(particles)
        return Found(0, whole, particles, measurement)

    return Job(steps)


def _doubted(planes: Sequence[Prediction], config: SplitConfig) -> float:
    """The share of particles that a model rather doubts before anything is stroked."""
    from napari_temseg.engine.measure.pooling import unsure_share
    from napari_temseg.engine.particles.splitting import split

    before = [measured(split(plane, config)) for plane in planes]
    return unsure_share([each.table for each in before], faint=[each.faint for each in before])


def _gathered(planes: list[Prediction], image: Micrograph, strokes: Strokes, names: Mapping[int, str]) -> Prediction:
    """One prediction of them all: a class that is known on one plane is known on all, and it is not the bare model's any more."""
    n = max(len(one.class_ids) for plane in planes for one in (plane, plane.other) if one is not None)
    known = {number: names.get(number, f"class {number}") for number in range(1, n + 1)}
    made = planes[0].model_hash
    if strokes.any():
        made = hashlib.sha256(made.encode() + np.packbits(strokes != 0).tobytes() + strokes[strokes != 0].tobytes()).hexdigest()

    def like_all(plane: Prediction) -> Prediction:
        other = None if plane.other is None else like_all(plane.other)
        return replace(_widened(plane, n), class_names=known, model_hash=made, other=other)

    gathered = Prediction.gathered([like_all(plane) for plane in planes], image)
    return replace(gathered, **_drawn_on(strokes.reshape(image.data.shape)))


def _drawn_on(strokes: Strokes) -> dict[str, Any]:
    """What strokes say beside the answer: background keeps particles apart, and holes open, as in a search; a particle stays one."""
    background, particles = strokes == BACKGROUND, strokes >= FIRST_CLASS
    return {"parted": background if background.any() else None, "vouched": particles if particles.any() else None}


def _widened(plane: Prediction, n: int) -> Prediction:
    missing = n - len(plane.class_ids)
    if not missing:
        return plane
    none = np.zeros((missing, *plane.classes.shape), np.float16)
    return replace(plane, probability=np.concatenate([plane.probability, none]), class_ids=tuple(range(1, n + 1)))


class Round(NamedTuple):
    """Where somebody was led already: places by plane, since the last time round."""

    plane: int
    been: Mapping[int, list[Place]]


def iter_places(shown: Prediction, whole: Prediction | None, strokes: Strokes, sofar: Round) -> Job[list[Place]]:
    """Places to stroke: on the shown plane, and where none is left there, on the plane of a stack that is least sure.

    `strokes` are (planes, Y, X); the list is empty when all were seen.
    """

    def steps(control: Control) -> Generator[Progress, None, list[Place]]:
        yield Progress("next", 0.0, "looking for the next place", control.elapsed)
        been = sofar.been
        found = places(shown, strokes[sofar.plane], plane=sofar.plane, avoid=been.get(sofar.plane, ()))
        if found or whole is None or len(strokes) < 2:
            return found
        ranked = planes_by_uncertainty(whole, [plane for plane in range(len(strokes)) if plane != sofar.plane])
        for done, plane in enumerate(ranked):
            found = places(whole.at(plane), strokes[plane], plane=plane, avoid=been.get(plane, ()))
            if found:
                break
            yield Progress("next", (done + 1) / len(ranked), "looking for the next place", control.elapsed)
        return found

    return Job(steps)


def said_of(item: Item, plane: int) -> Prediction:
    """What the last search says of a plane; `TemsegError` when there was none."""
    if item.prediction is None:
        raise TemsegError(f"{item.name}: nothing is known of it yet; tick Live, or find particles first (step 2).")
    return item.prediction.at(plane)
