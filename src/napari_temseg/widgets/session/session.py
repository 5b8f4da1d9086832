"""What is open in one viewer: micrographs, their annotations, models and results, and signals when any of it changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from napari.layers import Layer
from qtpy.QtCore import QEvent, QObject, QTimer, Signal

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.results import PARTICLE_CLASSES
from napari_temseg.widgets.canvas import brush, layers, micrograph_layer
from napari_temseg.widgets.canvas.drags import MiddlePans, WholeDrags
from napari_temseg.widgets.canvas.draw_order import DrawOrder
from napari_temseg.widgets.canvas.graphics_memory import GraphicsMemory
from napari_temseg.widgets.canvas.layer_list import TidyList
from napari_temseg.widgets.canvas.main_window import add_to_question
from napari_temseg.widgets.canvas.on_screen import SeenPictures
from napari_temseg.widgets.canvas.outline_width import OutlineWidth
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.jobs.closing import KEPT, may_close
from napari_temseg.widgets.jobs.runner import Jobs
from napari_temseg.widgets.session.change import Change, layer_removed
from napari_temseg.widgets.session.item import Item, SessionModels
from napari_temseg.widgets.session.item_measurement import remeasured
from napari_temseg.widgets.session.settings import Settings

Part = TypeVar("Part", bound=QObject)


class Session(SessionModels):
    """One for each viewer; see `viewer_session.session_of`. Panels listen to its signals and call its methods, never each other.

    `item_changed` carries the item and what about it: a `Change`. `selection_changed` carries the item.
    `settling` asks whoever watches the brush to take in its last strokes.
    """

    items_changed = Signal()
    current_changed = Signal()
    item_changed = Signal(object, object)  # Item, Change
    classes_changed = Signal()
    selection_changed = Signal(object)
    plane_changed = Signal()
    theme_changed = Signal()
    said = Signal(str)
    step_wanted = Signal(int)  # 0 to 3: a way out that another step offers
    settling = Signal(object)
    tools_down = Signal()  # another step is shown: its mouse is not that of the one before
    improving = Signal(bool)  # whether strokes are painted now: step 3 is shown
    closing = Signal()

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.settings = Settings()
        self.jobs = Jobs(self, getattr(viewer, "window", None))
        self.items: list[Item] = []
        self.current: Item | None = None
        self.classes: dict[int, str] = dict(PARTICLE_CLASSES)
        self.selected: frozenset[int] = frozenset()
        self.step = 0  # that is shown, 0 to 3
        self.annotating = False  # whether step 3, where strokes are painted, is shown
        self.closed = False
        self._screen = SeenPictures(viewer, self)
        self._screen.changed.connect(self._follow_eyes)
        for layer in viewer.layers:
            self._inserted(layer)
        events = viewer.layers.events
        self._wired = [
            (events.inserted, self._on_inserted),
            (events.removed, self._on_removed),
            (events.reordered, self._on_reordered),
            (viewer.layers.selection.events.active, self._on_active),
            (viewer.dims.events.current_step, self._on_plane),
            (viewer.events.theme, self._on_theme),
        ]
        for emitter, slot in self._wired:
            emitter.connect(slot)
        brush.without_box(viewer)
        self._of_canvas = [kept(viewer) for kept in (TidyList, OutlineWidth, GraphicsMemory, DrawOrder, WholeDrags, MiddlePans)]
        self.set_current(self._screen.first(self.items, self.item_of(viewer.layers.selection.active)))

    def part(self, kind: type[Part]) -> Part:
        """The one of its kind (`Finder`, `Trainer` …) that serves this session; made when it is first asked for."""
        found: Part | None = self.findChild(kind)
        return found or kind(self)

    # -- what is open

    def item_of(self, layer: Layer | None) -> Item | None:
        """The micrograph a layer belongs to."""
        return next((item for item in self.items if layer is not None and any(layer is each for each in item.layers)), None)

    def set_current(self, item: Item | None) -> None:
        """Take a micrograph in hand."""
        if item is self.current:
            return
        before = self.model
        self.current, self.selected = item, frozenset()
        self.current_changed.emit()
        if self.model != before:
            self.models_changed.emit()

    def sees(self, item: Item) -> bool:
        """Whether its picture is on the screen, neither hidden nor under another."""
        return self._screen.sees(item.layer)

    def need_seen(self, item: Item) -> Item:
        """The item; `TemsegError` where its picture is not on the screen, as what is not seen must not be edited."""
        if not self.sees(item):
            raise TemsegError(f"{item.name}: this image is not on the screen; choose it at the top of the dock, which shows it.")
        return item

    def reveal(self, active: Layer | None = None) -> None:
        """Show the micrograph in hand alone, in view; `active` is the one of its layers to work on then, without that the picture."""
        before = [item.layer for item in self.items if item is not self.current and item.layer.visible]
        for item in self.items:
            layers.set_visible(item.layer, item is self.current)
            for role in (Role.PARTICLES, Role.ANNOTATION, Role.LEFT_OUT):
                if role in item.made:
                    hidden = (role is Role.PARTICLES and item.veiled) or (role is Role.ANNOTATION and not self.annotating)
                    layers.set_visible(item.made[role], item is self.current and not hidden)
            if item is not self.current:
                for role in (Role.PROBABILITY, Role.CLASSES, Role.PREVIEW, Role.MISTAKES):
                    if role in item.made:
                        layers.set_visible(item.made[role], False)
        if self.current is not None:
            layers.activate(self.viewer, active or self.current.layer)
            self.item_changed.emit(self.current, Change.SHOWN)
            elsewhere = before and not any(layers.same_place(layer, self.current.layer) for layer in before)
            if elsewhere or not layers.in_view(self.viewer, self.current.layer):
                layers.fit(self.viewer, self.current.layer)

    def put_tools_down(self, *, annotating: bool) -> None:
        """A brush or a polygon tool must not draw where the next step wants a click; strokes are shown only where they are painted."""
        self.annotating = annotating
        self.tools_down.emit()
        self.improving.emit(annotating)
        for each in self.items:
            for role in (Role.ANNOTATION, Role.LEFT_OUT, Role.PARTICLES):
                if role in each.made:
                    layers.rest(each.made[role])
        item = self.current
        if item is not None and item.annotation is not None:
            layers.set_visible(item.annotation, annotating)
            if not annotating and layers.is_active(self.viewer, item.annotation):
                layers.activate(self.viewer, item.made.get(Role.PARTICLES, item.layer))

    def adopt(self, item: Item, role: Role, layer: Layer) -> None:
        """Remember a layer made for a micrograph."""
        item.made[role] = layer

    def shown_plane(self, item: Item) -> int:
        """The plane of it that is on the screen."""
        return layers.shown_plane(self.viewer, item.layer)

    def set_axes(self, item: Item, axes: str) -> None:
        """Say what the planes of a stack are."""
        item.axes = axes
        self.item_changed.emit(item, Change.AXES)

    def set_sample(self, item: Item, sample: str) -> None:
        """Say what is in the picture; pictures of one sample are pooled, and what one of them taught is used for all."""
        before, item.sample = self.model, sample
        if item.measurement is not None:
            item.measurement = replace(item.measurement, sample=sample)
        self.item_changed.emit(item, Change.SAMPLE)
        if self.model != before:
            self.models_changed.emit()

    def set_ignored(self, items: Iterable[Item], on: bool) -> None:
        """Leave whole pictures out of “all images” and of pooled statistics, or take them in again."""
        for item in items:
            item.ignored = on
            self.item_changed.emit(item, Change.IGNORED)

    def set_calibration(self, items: Iterable[Item], calibration: Calibration) -> None:
        """Put a pixel size on micrographs and all their layers; what was measured is measured anew.

        `TemsegError`, and nothing is changed, where the window could not show them beside what else is open.
        """
        chosen = list(items)
        self.check_calibration(chosen, calibration)
        for item in chosen:
            item.calibration = calibration
            with layers.quiet_units(self.viewer):
                micrograph_layer.calibrate(item.layers, calibration)
            if item.particles is not None:
                remeasured(item)
            self.item_changed.emit(item, Change.CALIBRATION)
        if self.current is not None:
            layers.fit(self.viewer, self.current.layer)

    def check_calibration(self, items: Iterable[Item], calibration: Calibration) -> None:
        """`TemsegError` where the window could not show micrographs of that pixel size beside what else is open."""
        for item in items:  # one after another, as they get it
            micrograph_layer.check_beside(self.viewer, item.frame, calibration, item.name, item.layers)

    def select(self, ids: Iterable[int], item: Item | None = None) -> None:
        """Select particles of a micrograph: table, picture and plot follow."""
        if item is not None and item is not self.current:
            self.set_current(item)
        chosen = frozenset(int(number) for number in ids)
        if chosen != self.selected and self.current is not None:
            self.selected = chosen
            self.selection_changed.emit(self.current)

    def settle(self, item: Item) -> None:
        """Take in what was painted a moment ago; to be called before the pixels of its particles are read or replaced."""
        self.settling.emit(item)

    def say(self, sentence: str) -> None:
        """Tell the state in one sentence, at the foot of the dock."""
        self.said.emit(sentence)

    # -- classes

    def set_class(self, number: int, name: str) -> None:
        """Add or rename a class; `TemsegError` for an empty or a taken name."""
        name = name.strip()
        if not name:
            raise TemsegError("A class needs a name: type one.")
        if any(other == name and key != number for key, other in self.classes.items()):
            raise TemsegError(f"There is a class “{name}” already; choose another name.")
        self.classes[number] = name
        self.classes_changed.emit()

    # -- what napari tells

    def _on_inserted(self, event: Any) -> None:
        if self._inserted(event.value):
            self.items_changed.emit()
            if self.current is None:
                self.set_current(self.item_of(event.value))

    def _inserted(self, layer: Layer) -> bool:
        if not micrograph_layer.shows_micrograph(layer):
            return False
        known = micrograph_layer.known_micrograph(layer)
        stack = layer.ndim == 3 and layers.n_planes(layer) > 1
        axes = "YX" if layer.ndim == 2 else "NYX" if not stack else micrograph_layer.said_axes(layer)
        item = Item(layer, axes, known.calibration if known else micrograph_layer.calibration_of(layer), known.sample if known else "")
        self.items.append(item)
        layer.events.name.connect(self._on_renamed)
        self._screen.watch(layer)
        return True

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        item = self.item_of(layer)
        if item is None:
            return
        if layer is not item.layer:
            self._lost(item, layer)
            return
        layer.events.name.disconnect(self._on_renamed)
        self._screen.forget(layer)
        self.items.remove(item)
        in_hand = self.current is item
        QTimer.singleShot(0, self, partial(self._clear_up, item, in_hand))  # not while napari may be at removing them all
        if in_hand:
            self.set_current(self.items[0] if self.items else None)
        self.items_changed.emit()

    def _lost(self, item: Item, layer: Layer) -> None:
        """The user removed something made for a micrograph."""
        role = next(key for key, value in item.made.items() if value is layer)
        del item.made[role]
        if role == Role.PARTICLES:
            item.particles = item.measurement = None
            item.history.clear()
        self.item_changed.emit(item, layer_removed(role))

    def _on_renamed(self, event: Any) -> None:
        item = self.item_of(event.source)
        if item is not None:
            if item.measurement is not None:
                item.measurement = replace(item.measurement, image=item.name, table=item.measurement.table.assign(image=item.name))
            self.item_changed.emit(item, Change.NAME)
            self.items_changed.emit()

    def _clear_up(self, item: Item, in_hand: bool) -> None:
        """What was made for a picture goes with it, strokes and areas too, as these are kept on disk; a truth is the user's own layer."""
        if self.closed:
            return
        for role, layer in list(item.made.items()):
            if role != Role.TRUTH:
                layers.remove(self.viewer, layer)
        if item.annotation is not None or item.particles is not None:
            self.say(f"{item.name} was closed. What was made of it is kept, and offered when it is opened again.")
        if in_hand and self.current is not None:  # or nothing would be seen
            self.reveal()
            if not layers.same_place(item.layer, self.current.layer):
                layers.fit(self.viewer, self.current.layer)

    def _on_reordered(self, event: Any) -> None:
        place = {id(layer): index for index, layer in enumerate(self.viewer.layers)}
        self.items.sort(key=lambda item: place.get(id(item.layer), len(place)))
        self.items_changed.emit()

    def _on_active(self, event: Any = None) -> None:
        active = self.viewer.layers.selection.active
        item = self.item_of(active)
        if item is not None and item is not self.current:
            self.set_current(item)
            if not self.sees(item):
                self.reveal(active)
        elif item is None and self.current is None and self.items:
            self.set_current(self.items[-1])

    def _follow_eyes(self) -> None:
        """In hand is a picture that is seen, if any is."""
        if self.current in self.items and not self.sees(self.current):
            for item in [each for each in self.items if self.sees(each)][-1:]:
                self.set_current(item)
                layers.activate(self.viewer, item.layer)

    def _on_plane(self, event: Any) -> None:
        self.plane_changed.emit()

    def _on_theme(self, event: Any) -> None:
        self.theme_changed.emit()

    # -- the end

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802  Qt's name
        """The window may be closing: let it decide at once, as nothing of ours is left to be asked once it is gone."""
        if event.type() == QEvent.Type.ChildPolished and self._has_work():
            add_to_question(event.child(), KEPT)
        if event.type() != QEvent.Type.Close or self.closed:
            return False
        if event.spontaneous() and self.jobs.running:  # napari would ask twice: because of the job, and as it always does
            event.ignore()
            if may_close(self.jobs, watched):
                self.jobs.cancel()
                QTimer.singleShot(0, watched.close)  # what the program closes is not asked about
            return True
        watched.event(event)
        if event.isAccepted():
            self.close()
        return True

    def _has_work(self) -> bool:
        return any(item.particles is not None or item.annotation is not None for item in self.items)

    def close(self) -> None:
        """Stop all jobs and let go of the viewer."""
        if self.closed:
            return
        self.closed = True
        self.closing.emit()
        self._screen.let_go()
        for each in self._of_canvas:
            each.let_go()
        self.jobs.close()
        for emitter, slot in self._wired:
            emitter.disconnect(slot)
        for item in self.items:
            item.layer.events.name.disconnect(self._on_renamed)
        self.settings.save()
