"""What is changed on a picture's layer in napari itself, by hand or by a script: its scale and place, its pixels, its name, its row."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.units import length_words
from napari_temseg.widgets.canvas import layer_list, layers, micrograph_layer
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.questions import Answer, Questions
from napari_temseg.widgets.session.results.state import ResultState, commit

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

SIZE, PIXELS = "pixel size", "pixels"  # what the questions are about
REPLACED_STEP = "another picture"


class OutsideChanges(QObject):
    """Asks whether a changed scale is the new pixel size, keeps what lies on a picture in place, and lets go of what others had."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.questions = session, session.part(Questions)
        self._followed: dict[Item, list[Any]] = {}
        self._moved: list[Item] = []
        self._timer = QTimer(self)  # several changes of one hand are one, and our own are over by then
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._look)
        self._order = QTimer(self)  # napari goes on with its list after it has told
        self._order.setSingleShot(True)
        self._order.setInterval(0)
        self._order.timeout.connect(self._lay_over)
        session.viewer.layers.events.reordered.connect(self._on_reordered)
        session.item_changed.connect(self._name_alike)
        session.current_changed.connect(self._hide_of_covered)
        session.items_changed.connect(self._follow)
        session.closing.connect(self._close)
        self._follow()

    def _follow(self) -> None:
        for item in [item for item in self._followed if item not in self.session.items]:
            self._leave(item)
        for item in self.session.items:
            if item not in self._followed:
                moved, replaced = partial(self._on_moved, item), partial(self._on_replaced, item)
                pairs = [(emitter, moved) for emitter in layers.place_events(item.layer)] + [(item.layer.events.data, replaced)]
                for emitter, slot in pairs:
                    emitter.connect(slot)
                self._followed[item] = pairs

    def _leave(self, item: Item) -> None:
        for emitter, slot in self._followed.pop(item):
            emitter.disconnect(slot)

    def _close(self) -> None:
        self._timer.stop()
        self._order.stop()
        self.session.viewer.layers.events.reordered.disconnect(self._on_reordered)
        for item in list(self._followed):
            self._leave(item)

    # -- scale and place

    def _on_moved(self, item: Item, event: Any = None) -> None:
        if item not in self._moved:
            self._moved.append(item)
        self._timer.start()

    def _look(self) -> None:
        items, self._moved = self._moved, []
        for item in items:
            if item not in self.session.items:
                continue
            with layers.quiet_units(self.session.viewer):
                for layer in item.made.values():
                    layers.put_on(layer, item.layer)
            told, known = micrograph_layer.calibration_of(item.layer), item.calibration
            if _same(told, known):
                self.questions.drop(item, SIZE)
            else:
                self._ask_size(item, told)

    def _ask_size(self, item: Item, told: Calibration) -> None:
        text = (
            f"The scale of {item.name} was changed in napari to {_size(told)}. Is that its pixel size? "
            f"Until you say so, lengths are those of {_size(item.calibration)}."
        )
        answers = (
            Answer("Yes, use it", "Measure everything of this image with that pixel size.", partial(self._take_size, item)),
            Answer("No, put it back", "Give the layer its scale back.", partial(self._put_size_back, item)),
        )
        self.questions.ask(item, SIZE, text, answers)

    def _take_size(self, item: Item) -> None:
        self.session.set_calibration([item], micrograph_layer.calibration_of(item.layer))

    def _put_size_back(self, item: Item) -> None:
        with layers.quiet_units(self.session.viewer):
            micrograph_layer.calibrate(item.layers, item.calibration)

    # -- name and order

    def _name_alike(self, item: Item, what: Change) -> None:
        """Layers that bear the name of their picture go on bearing it."""
        if what == Change.NAME:
            for role, layer in item.made.items():
                if layer in self.session.viewer.layers and str(layer.name).endswith(f" {role}"):
                    layer.name = f"{item.name} {role}"

    def _on_reordered(self, event: Any = None) -> None:
        self._order.start()

    def _lay_over(self) -> None:
        """A layer below its own picture is not seen, and what is on it would be worked on unseen."""
        listed, told = self.session.viewer.layers, []
        for item in self.session.items:
            below = [layer for layer in item.made.values() if layer in listed and listed.index(layer) < listed.index(item.layer)]
            for layer in below:
                listed.move(listed.index(layer), listed.index(item.layer) + 1)
            told += [layer.name for layer in below if not layer_list.serves(layer)]
        if told:
            self.session.say(f"{', '.join(told)}: laid over the picture again, under which nobody would see it.")

    def _hide_of_covered(self) -> None:
        """A picture that napari laid over another, a copy say, shall not bear the outlines of that one."""
        session, hand = self.session, self.session.current
        for item in session.items if hand is not None and session.sees(hand) else ():
            if item is not hand and not session.sees(item):
                for role in (Role.PARTICLES, Role.ANNOTATION, Role.LEFT_OUT):
                    if role in item.made:
                        layers.set_visible(item.made[role], False)

    # -- pixels

    def _on_replaced(self, item: Item, event: Any = None) -> None:
        """Results and previews are of the pixels of before."""
        session = self.session
        if item not in session.items:
            return
        item.pixels += 1
        micrograph_layer.forget_content(item.layer)
        shape, had = layers.shape(item.layer), item.particles is not None
        for role in (Role.PREVIEW, Role.LIVE, Role.UNCERTAINTY, Role.MISTAKES, Role.MARKS, Role.PLACE):
            layers.remove(session.viewer, item.made.pop(role, None))
        if had or item.prediction is not None:
            commit(session, item, ResultState(None, None, None), REPLACED_STEP)
        for role, layer in list(item.made.items()):
            if layers.shape_of(layer) not in (None, shape):  # strokes of it are kept on disk, and offered with the picture they belong to
                layers.remove(session.viewer, item.made.pop(role))
        if len(shape) == 2:
            item.axes = "YX"
        elif item.axes == "YX":
            item.axes = ""
        session.item_changed.emit(item, Change.PIXELS)
        if had:
            self._ask_again(item, fits=item.history.newest is not None and _fits(item.history.newest.before, shape))

    def _ask_again(self, item: Item, *, fits: bool) -> None:
        text = f"The pixels of {item.name} were replaced, so the particles found in the picture before are not shown for it."
        if not fits:
            item.history.clear()
            self.session.say(f"{text} Find particles again (step 2).")
            return
        answers = (
            Answer("Leave them away", "Find particles anew in these pixels (step 2).", lambda: None),
            Answer("Put them back", "It is the same picture, filtered or cleaned: its particles hold.", item.history.undo),
        )
        self.questions.ask(item, PIXELS, text, answers)


def _same(one: Calibration, other: Calibration) -> bool:
    """Whether two calibrations are of one pixel size, to a part in a million."""
    same_kind = (one.pixel_size is None) == (other.pixel_size is None)
    return same_kind and all(abs(a - b) <= 1e-6 * b for a, b in zip(one.scale, other.scale, strict=True))


def _size(calibration: Calibration) -> str:
    if calibration.pixel_size is None:
        return "px, with no length"
    y, x = calibration.scale
    told = [length_words(each, digits=4) for each in (x, y)]
    return f"{told[0] if abs(y / x - 1) < 1e-3 else ' × '.join(told)} a pixel"


def _fits(state: Any, shape: tuple[int, ...]) -> bool:
    return state is not None and state.particles is not None and tuple(state.particles.labels.shape) == shape
