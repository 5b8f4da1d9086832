"""From a click to particles on the screen: runs the search, shows planes as they come, and puts results where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject

from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Progress
from napari_temseg.engine.types.results import Particles, Prediction
from napari_temseg.pipeline.find import Found, PlaneFound, iter_find, iter_resplit, measured
from napari_temseg.widgets.canvas import brush, layers
from napari_temseg.widgets.session.history import FOUND, SPLIT, Step

if TYPE_CHECKING:
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.widgets.session.session import Item, Session


@dataclass(frozen=True, eq=False)
class State:
    """All that a search or a new split replaces; what undo brings back."""

    prediction: Prediction | None
    particles: Particles | None
    measurement: Measurement | None
    reviewed: bool = False

    @classmethod
    def of(cls, item: Item) -> State:
        """As it is now."""
        return cls(item.prediction, item.particles, item.measurement, item.reviewed)


class Finder(QObject):
    """Runs searches for a session. `predict` and `split` are the settings in force, those that the user sees; panels replace them.

    What is changed while an image with particles is in hand is for that image; `_usual` is for those that were not searched yet.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.predict = remembered(PredictConfig, session.settings.get("predict"))
        self.split = self._usual = remembered(SplitConfig, session.settings.get("split"))
        self._searched: list[Item] = []
        self._model = ""  # name of the model that searches
        self._shown: dict[int, _Showing] = {}
        session.jobs.progressed.connect(self._show)

    def find(self, items: Sequence[Item]) -> None:
        """Find particles on micrographs, as one job; `TemsegError` when one of them cannot be searched."""
        if not items:
            raise TemsegError("No image is open: drop micrographs onto the window, or choose File ▸ Open.")
        session = self.session
        images = [item.micrograph() for item in items]
        first = [session.shown_plane(item) for item in items]
        model, predict, split = session.segmenter(), self.predict, self.split
        if len(items) > 1:  # what all were searched with is what is usual from now on
            self._usual = split
        title = f"Finding particles: {items[0].name}" if len(items) == 1 else f"Finding particles in {len(items)} images"
        session.jobs.start(
            title, lambda: iter_find(model, images, predict, split, first), self._done, can_finish=len(items) > 1, failed=self._give_up
        )
        self._searched, self._model = list(items), session.model
        self._remember()

    def resplit(self, item: Item) -> None:
        """Split again with the settings in force: the shown plane at once, the others behind it; an earlier request is dropped."""
        prediction, config = item.prediction, self.split
        if prediction is None:
            return
        first = self.session.shown_plane(item)
        showing = _Showing(self.session, item)
        self.session.jobs.look(
            lambda: iter_resplit(prediction, config, first),
            partial(self._resplit_done, item, prediction),
            seen=partial(self._resplit_seen, item, prediction, showing),
            failed=showing.revert,
        )
        self._remember()

    def edit(self, config: SplitConfig, item: Item | None) -> None:
        """Put split settings in force that the user chose with this image in hand."""
        self.split = config
        if item is None or item.particles is None:
            self._usual = config

    def follow(self, item: Item | None) -> SplitConfig:
        """Put in force, and return, the settings that the particles of an image were split with, or the usual ones."""
        found = item.particles if item is not None else None
        settings = found.settings if found is not None else {}
        try:
            made = SplitConfig.from_dict(settings) if settings else self._usual
        except TemsegError:  # split by something else
            made = self._usual
        if self.split != made:  # a number that was typed stays one, though it be the automatic one
            self.split = replace(made, certainty=None) if settings and _automatic(made.certainty, item) else made
        return self.split

    def _remember(self) -> None:
        self.session.settings.set("split", self._usual.to_dict())
        self.session.settings.set("predict", self.predict.to_dict())

    def _show(self, steps: list[Progress]) -> None:
        for step in steps:
            ready = step.preview
            if isinstance(ready, PlaneFound) and self._searched:
                item = self._searched[ready.image]
                if item in self.session.items:
                    self._shown.setdefault(ready.image, _Showing(self.session, item)).plane(ready)
            elif isinstance(ready, Found) and self._searched:
                self._shown.pop(ready.image, None)
                self._commit(self._searched[ready.image], ready)

    def _commit(self, item: Item, found: Found) -> None:
        if item in self.session.items:
            self.session.model_names[found.prediction.model_hash] = self._model
            commit(self.session, item, State(found.prediction, found.particles, named(found.measurement, item)), FOUND)

    def _done(self, found: list[Found]) -> None:
        names = [item.name for item in self._searched[: len(found)]]
        total, unsure = sum(len(each.particles) for each in found), sum(each.particles.uncertain for each in found)
        where = names[0] if len(names) == 1 else f"{len(names)} images"
        text = f"{total} particle{'s' if total != 1 else ''} found in {where}"
        if unsure:
            text += f"; {unsure} unsure region{'s' if unsure != 1 else ''} left out (Find ▸ Certainty)"
        scale = looked(found[0].prediction) if len(found) == 1 else ""
        strange = [item for item in self._searched[: len(found)] if item.unlike]
        warning = strange[0].unlike if len(strange) == 1 else ""
        if len(strange) > 1:
            names = f"{', '.join(item.name for item in strange[:3])}{f' and {len(strange) - 3} more' if len(strange) > 3 else ''}"
            warning = f"{names} are unlike the micrographs the model was trained on: check their particles."
        self.session.say(" ".join(filter(None, (f"{text}.", warning, scale))))
        self._searched = []

    def _give_up(self) -> None:
        """Cancelled or failed: what was shown for a picture half done goes back to what it was."""
        for showing in self._shown.values():
            showing.revert()
        self._shown.clear()
        self._searched = []
        self.session.say("Cancelled; what was finished before is kept.")

    def _resplit_seen(self, item: Item, prediction: Prediction, showing: _Showing, step: Progress) -> None:
        if isinstance(step.preview, PlaneFound) and item in self.session.items and item.prediction is prediction:
            showing.plane(step.preview)

    def _resplit_done(self, item: Item, prediction: Prediction, found: Found) -> None:
        if item in self.session.items and item.prediction is prediction:
            # A slider that is dragged makes many states; only the newest is worth an undo of its own.
            replaces = item.history.undoable == SPLIT
            commit(self.session, item, State(prediction, found.particles, named(found.measurement, item)), SPLIT, merge=replaces)


class _Showing:
    """Planes on the screen that are not committed yet."""

    def __init__(self, session: Session, item: Item) -> None:
        self.session, self.item = session, item
        self.labels: Any = None
        self.probability: Any = None

    def plane(self, ready: PlaneFound) -> None:
        """Show a plane in the layers of its picture."""
        item, first = self.item, self.labels is None
        shape = layers.shape(item.layer)
        if first:
            self.labels = np.zeros(shape, np.int32)
            if item.particles is not None and ready.prediction is None:
                self.labels[...] = item.particles.labels
        self.labels.reshape((-1, *shape[-2:]))[ready.plane] = ready.particles.labels
        show_labels(self.session, item, self.labels)
        if ready.prediction is not None:
            if self.probability is None:
                self.probability = np.zeros(shape, np.float16)
            self.probability.reshape((-1, *shape[-2:]))[ready.plane] = 1 - ready.prediction.probability[0]
            show_probability(self.session, item, self.probability)

    def revert(self) -> None:
        """Back to what is committed."""
        if self.item in self.session.items and self.labels is not None:
            put(self.session, self.item, State.of(self.item))


def commit(session: Session, item: Item, state: State, name: str, *, merge: bool = False, corrections: int = 0) -> None:
    """Make a state the item's own, undoably when it replaces another; `merge` lets it replace the newest step of the same name.

    `corrections` were made by hand at an earlier start.
    """
    session.settle(item)
    before = State.of(item)
    if merge and item.history.newest is not None:
        before = item.history.newest.before or before
        item.history.drop()
    if before.particles is not None:
        back = _put_back if name == FOUND else put
        item.history.add(Step(name, partial(back, session, item, before), partial(back, session, item, state), before, corrections))
    else:
        item.history.corrections = corrections
    put(session, item, state)


def put(session: Session, item: Item, state: State) -> None:
    """Put a state on the screen and into the item, without a word to the history."""
    item.prediction, item.particles, item.measurement = state.prediction, state.particles, state.measurement
    item.reviewed = state.reviewed
    if state.particles is None:
        for role in ("particles", "probability", "classes"):
            layers.remove(session.viewer, item.made.pop(role, None))
    else:
        bring_up_to_date(item)
        show_labels(session, item, state.particles.labels)
        show_features(item)
    if state.prediction is not None:
        show_probability(session, item, foreground(state.prediction))
        show_classes(session, item, state.prediction)
    session.item_changed.emit(item, "prediction")
    session.item_changed.emit(item, "particles")


def _put_back(session: Session, item: Item, state: State) -> None:
    """`put`, and the model that made it is in use again, if it is still at hand."""
    put(session, item, state)
    if state.prediction is not None:
        use_model_of(session, state.prediction.model_hash)


def use_model_of(session: Session, digest: str, name: str = "") -> None:
    """Have the model in use that made what is shown, if it is still at hand; `name` is its name at an earlier start."""
    known = session.model_names.get(digest, name)
    if known == "particles" or known in session.models or known in session.own:
        session.use_model(known)


def found_by_another(session: Session, item: Item) -> str:
    """The name of the model that found the particles of an image, "" where it is the one in use, or not known."""
    by = None if item.particles is None else item.particles.prediction or item.particles.origin
    name = "" if by is None else session.model_names.get(by.model_hash, "")
    return name if name != session.model else ""


def corrected_by_hand(item: Item) -> int:
    """Number of corrections since the last search or split: what another one would replace."""
    return item.history.by_hand


def _automatic(certainty: float | None, item: Item | None) -> bool:
    """Whether an image was split with the certainty that is taken when none is set; where what a model said is not kept, it is assumed."""
    from napari_temseg.engine.particles.splitting import CERTAINTY

    told = certain(item)
    return certainty in (0.0, CERTAINTY) if told is None else certainty == told


def certain(item: Item | None) -> float | None:
    """The least certainty that is taken for an image when none is set; None while it is not known."""
    if item is None or item.prediction is None:
        return None
    from napari_temseg.engine.particles.splitting import default_certainty

    return default_certainty(item.prediction)


def looked(prediction: Prediction | None) -> str:
    """At which scale a picture was looked at, and why, when it is not its own; "" otherwise."""
    if prediction is None:
        return ""
    largest = max(prediction.working_scale)
    if 0.8 < largest < 1.05 and prediction.pixel_ratio == 1:
        return ""
    *others, last = (f"{scale:.2g}×" for scale in sorted(prediction.working_scale))
    scales = " and ".join(filter(None, [", ".join(others), last]))
    if prediction.pixel_ratio != 1:
        return f"Looked at {scales}: a pixel is {prediction.pixel_ratio:.2g} × as large as those that the model was trained at."
    return f"{'Small' if largest > 1 else 'Large'} particles: looked at {scales}."


def foreground(prediction: Prediction) -> Any:
    """Probability of any particle (…, Y, X); a view where there is one class only."""
    probability = prediction.probability
    return probability[..., 1, :, :] if probability.shape[-3] == 2 else 1 - probability[..., 0, :, :]


def show_features(item: Item) -> None:
    """Make the table of a micrograph the features of its particles layer."""
    if item.measurement is not None and item.particles_layer is not None:
        layers.set_features(item.particles_layer, item.measurement.table)


def show_labels(session: Session, item: Item, labels: Any) -> None:
    """The particles layer of an item, made when there is none."""
    layer = item.particles_layer
    if layer is None:
        made = layers.add_labels(
            session.viewer,
            item.layer,
            labels,
            f"{item.name} particles",
            "particles",
            contour=layers.CONTOUR,
            visible=layers.is_visible(item.layer),
            opacity=1,
        )
        session.adopt(item, "particles", made)
    else:
        layers.set_data(layer, labels)
        brush.forget_history(layer)


def show_probability(session: Session, item: Item, values: Any) -> None:
    """The probability layer of an item, hidden until somebody wants it."""
    if "probability" in item.made:
        layers.set_data(item.made["probability"], values)
    else:
        session.adopt(item, "probability", layers.add_map(session.viewer, item.layer, values, f"{item.name} probability", "probability"))


def show_classes(session: Session, item: Item, prediction: Prediction) -> None:
    """The class layer of an item, hidden until somebody wants it."""
    colours = layers.class_colours(prediction.class_names, background=False)
    if "classes" in item.made:
        layers.set_data(item.made["classes"], prediction.classes)
        layers.recolour(item.made["classes"], colours)
        return
    name = f"{item.name} classes"
    made = layers.add_labels(session.viewer, item.layer, prediction.classes, name, "classes", colours=colours, visible=False, opacity=0.5)
    session.adopt(item, "classes", made)


def named(measurement: Measurement, item: Item) -> Measurement:
    """Under the name of the layer, which is unique in the viewer."""
    return replace(measurement, image=item.name, table=measurement.table.assign(image=item.name))


def remeasured(item: Item) -> None:
    """Bring an item's measurement and its features under its calibration of today; flags stay."""
    from napari_temseg.engine.measure.measurement import recalibrated, with_flags

    if item.particles is None:
        return
    before = item.measurement
    item.particles = particles = replace(item.particles, micrograph=item.particles.micrograph.with_calibration(item.calibration))
    scaled = recalibrated(before, item.calibration) if before is not None else None
    item.measurement = named(scaled or measured(particles), item)
    if before is not None and scaled is None:
        item.measurement = with_flags(item.measurement, *flags_of(before))
    show_features(item)


def bring_up_to_date(item: Item) -> None:
    """A measurement that comes back from the history gets the name and the calibration of today."""
    measurement = item.measurement
    if measurement is not None and measurement.calibration != item.calibration:
        remeasured(item)
    elif measurement is not None and measurement.image != item.name:
        item.measurement = named(measurement, item)


def flags_of(measurement: Measurement) -> tuple[dict[int, str], list[int]]:
    """Excluded particles with their reasons, and the reviewed ones."""
    table = measurement.table
    out = table[table["excluded"] != ""]
    excluded = dict(zip(out["particle"].astype(int), out["excluded"], strict=True))
    return excluded, table.loc[table["reviewed"], "particle"].astype(int).tolist()


def remembered(kind: Any, values: Any) -> Any:
    """Settings of the last start; those that no longer fit are forgotten."""
    try:
        return kind.from_dict(values) if isinstance(values, dict) else kind()
    except (TemsegError, TypeError):
        return kind()
