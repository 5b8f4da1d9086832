"""A model over a micrograph: one working scale for all planes, stacks plane by plane."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.model.backends.backend import Backend
from napari_temseg.engine.model.outputs import probabilities, sigmoid
from napari_temseg.engine.model.runner import Known, Runner, made_ready
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import PIXELS_SHOWN, Control, Job, Progress, mapped
from napari_temseg.engine.types.results import BACKGROUND, PlanePrediction, Prediction, SizeCandidate
from napari_temseg.engine.types.wording import at_plane

TELLING = 10  # pieces that a look finds, from which on it tells by itself whether a picture is unlike the training
_ANY_SIZE = 64.0  # px at the working scale: what a model for all sizes is taken to look for


def iter_predict(
    model: Segmenter,
    micrograph: Micrograph,
    config: PredictConfig,
    order: Sequence[int] | None = None,
    network: Backend | None = None,
) -> Job[Prediction]:
    """The job that predicts; yields `Progress` between tiles, and after each plane with a `PlanePrediction` as its `preview`.

    Planes are predicted in `order` (default: 0 … n − 1), a permutation of their indices, else `TemsegError`. There is no finishing
    early: half a prediction is none. `network` is the model's, made ready for these settings (see `runner`).
    """
    places = _checked(micrograph, order)

    def steps(control: Control) -> Generator[Progress, None, Prediction]:
        over = _Pass(model, micrograph, config, network, control)
        yield from over.settle()
        whole = over.blank(micrograph)
        unlike = yield from over.predict(places, whole.at)
        return replace(whole, unlike=tuple(unlike)) if over.judged else whole

    return Job(steps)


def iter_predict_planes(
    model: Segmenter, micrograph: Micrograph, config: PredictConfig, network: Backend | None = None, *, judged: bool = True
) -> Job[list[str]]:
    """As `iter_predict`, keeping no plane: each is handed over in its `PlanePrediction` alone, so that memory is that of one.

    Returns what `Prediction.unlike` holds; nothing where the planes are not to be `judged`.
    """

    def steps(control: Control) -> Generator[Progress, None, list[str]]:
        over = _Pass(model, micrograph, config, network, control)
        yield from over.settle()
        over.judged = judged and over.runner.tells
        unlike = yield from over.predict(range(micrograph.n_planes), lambda index: over.blank(_read(micrograph, index)))
        return unlike if over.judged else []

    return Job(steps)


@dataclass(frozen=True)
class Settled:
    """At what a picture is to be looked at: the settings that say so exactly, the `largest` size (px) that is looked for, and what else
    was seen, as of a `Prediction`."""

    config: PredictConfig
    largest: float
    candidates: tuple[SizeCandidate, ...] = ()
    smaller: SizeCandidate | None = None
    alone: bool = False


def iter_settled(model: Segmenter, micrograph: Micrograph, config: PredictConfig, network: Backend | None = None) -> Job[Settled]:
    """The job that finds, or takes as told, the size at which a picture is looked at, so that its parts can be looked at alike."""

    def steps(control: Control) -> Generator[Progress, None, Settled]:
        over = _Pass(model, micrograph, config, network, control)
        yield from over.settle()
        return over.settled(config)

    return Job(steps)


def _read(micrograph: Micrograph, index: int) -> Micrograph:
    """A plane, read once: what comes after prediction looks at it a dozen times, and lazy data would be decoded each time."""
    plane = micrograph.at(index)
    return replace(plane, data=np.asarray(plane.data))


def _checked(micrograph: Micrograph, order: Sequence[int] | None) -> list[int]:
    n = micrograph.n_planes
    places = list(range(n)) if order is None else [int(index) for index in order]
    if sorted(places) != list(range(n)):
        raise TemsegError(f"{micrograph.name}: the order of the planes must name each of 0 to {n - 1} once.")
    return places


class _Pass:
    """A network going over a micrograph."""

    def __init__(self, model: Segmenter, micrograph: Micrograph, config: PredictConfig, network: Backend | None, control: Control) -> None:
        pixel_size = micrograph.calibration.nanometres
        sizes = config.sizes_in(pixel_size)
        if (config.both or len(sizes) == 2) and not model.spec.working_size:
            raise TemsegError(
                f"{micrograph.name}: this model looks for all sizes at once, so it cannot look for two apart; use the model that ships, or "
                "give one size."
            )
        ready = made_ready(model, config) if network is None else network
        self.runner = Runner(model, config, pixel_size, ready)
        self._ready, self._config = ready, config
        self.runners = [self.runner]  # that of the smaller size first
        self.judged = self.runner.tells
        self._model, self._micrograph, self._control = model, micrograph, control
        self._single: npt.NDArray[np.float32] | None = None
        self._middle, self._known = micrograph.n_planes // 2, [Known(), Known()]
        for size in sizes[1:]:
            self._look_for_larger(size)
        searches = self.runner.adaptive and self.runner.working_size and not sizes
        self._searched = self.runner.searched(micrograph.frame) if searches else 0.0
        self._settling, self._shown = 0.0, {PIXELS_SHOWN: 0.0}
        self._weigh()

    def _weigh(self) -> None:
        """How much work there is, in px that the network is shown, and the share of looking for the size: told of the smallest size that
        it may be until it is known, as nobody is to be told of less than what comes."""
        planes = self._micrograph.n_planes * sum(runner.shown_of(self._micrograph.frame) for runner in self.runners)
        self._shown = {PIXELS_SHOWN: self._searched + planes}
        self._settling = max(self._settling, self._searched / self._shown[PIXELS_SHOWN])

    def _look_for_larger(self, size: float) -> None:
        pixel_size = self._micrograph.calibration.nanometres
        self.runners.append(Runner(self._model, self._config.for_size(size), pixel_size, self._ready))

    def settle(self) -> Generator[Progress, None, None]:
        """Find one scale for all planes by the middle one: the same whatever plane is shown, and the same size all through a movie."""

        def looking(share: float) -> Progress:
            message = f"{self._micrograph.name}: seeing how large its particles are"
            told.append(max(told[-1], share * self._settling))  # a second size is known, and has no share to tell
            return Progress("predict", told[-1], message, self._control.elapsed, self._shown, paced=not self._searched)

        told = [0.0]
        for index, runner in enumerate(self.runners):  # grows where the first finds two sizes
            if runner.adaptive:
                image = self._normalised(self._middle)
                self._known[index] = yield from mapped(runner.settle(image, self._micrograph.valid), looking)
            if runner.both and runner.candidates:
                self._look_for_larger(runner.candidates[1].size)
        self._weigh()

    def settled(self, config: PredictConfig) -> Settled:
        """What `settle` found, as settings."""
        runner = self.runner
        if not runner.working_size:
            told = replace(config, typical_size=None, typical_nm=None, scales=runner.scales)
            return Settled(told, _ANY_SIZE / min(runner.scales))
        bounds = next(entry.metadata for entry in fields(PredictConfig) if entry.name == "typical_size")
        sizes = [min(max(each.working_size / each.scales[0], bounds["minimum"]), bounds["maximum"]) for each in self.runners]
        told = replace(config.for_size(sizes[0]), exact_size=True, other_size=sizes[1] if len(sizes) > 1 else None)
        return Settled(told, max(sizes), runner.candidates, runner.smaller, runner.alone)

    def blank(self, micrograph: Micrograph) -> Prediction:
        """What will be said of a micrograph, nothing yet."""
        first, *second = (runner.blank(self._model, micrograph) for runner in self.runners)
        return replace(first, other=second[0]) if second else first

    def predict(self, places: Sequence[int], blank: Callable[[int], Prediction]) -> Generator[Progress, None, list[str]]:
        """Fill the `blank` of each of `places`; returns in what planes are unlike the model's training."""
        n, looks = self._micrograph.n_planes, len(self.runners)
        unlike = [""] * n
        for done, index in enumerate(places):

            def progress(share: float, preview: PlanePrediction | None = None, *, done: int = done, index: int = index) -> Progress:
                message = f"{self._micrograph.name}: " + ", ".join(filter(None, (at_plane(index, n), self.runner.device.plain())))
                whole = self._settling + (1 - self._settling) * (done + share) / n
                return Progress("predict", whole, message, self._control.elapsed, self._shown, preview)

            image = self._normalised(index)
            plane, said = blank(index), []
            for look, (runner, target) in enumerate(zip(self.runners, (plane, plane.other), strict=False)):
                known = self._known[look] if index == self._middle else None
                within = partial(_part_of, progress, look, looks)
                raw = yield from mapped(runner.plane(image, known), within)
                if target is not None:
                    fill(target, raw)
                if self.judged:
                    said.append((runner.unlike(image, raw, self._micrograph.valid), runner.pieces(raw) if looks > 1 else 1))
            unlike[index] = told_unlike(said)
            if self.judged:
                plane = replace(plane, unlike=(unlike[index],))
            yield progress(1.0, PlanePrediction(index, plane))
        return unlike

    def _normalised(self, index: int) -> npt.NDArray[np.float32]:
        if self._single is not None:
            return self._single
        image = self._model.normalisation.apply(self._micrograph.plane(index), self._micrograph.valid, self._micrograph.name)
        if self._micrograph.n_planes == 1:  # of a stack the middle one would be held while others are looked at
            self._single = image
        return image


def told_unlike(said: Sequence[tuple[str, int]]) -> str:
    """In what a plane is unlike by its looks: what each says ("" for alike) and how many pieces it found.

    A look at which next to nothing is found, less than `TELLING` pieces beside more of the other size, tells nothing.
    """
    whole = sum(pieces for _, pieces in said)
    return next((reason for reason, pieces in said if reason and (pieces >= TELLING or 2 * pieces >= whole)), "")


def _part_of(progress: Callable[[float], Progress], look: int, looks: int, share: float) -> Progress:
    """The progress of one look at a plane as that of all its looks."""
    return progress((look + share) / looks)


def fill(plane: Prediction, raw: npt.NDArray[np.float32]) -> None:
    """Write the raw output (1, C, Y, X) of the network into the arrays of a plane."""
    channels = len(plane.class_ids)
    plane.probability[...] = probabilities(raw, channels)[0]
    # Numbers that are not negative stand in the order of their bits, which compare far faster than half precision.
    bits = plane.probability.view(np.uint16)
    plane.classes[...] = (bits[1] > bits[0] if len(bits) == 2 else bits.argmax(axis=0)) + np.uint8(BACKGROUND)
    for offset, depth in enumerate(plane.auxiliary.values()):
        depth[...] = sigmoid(raw[0, channels - 1 + offset])
