"""The upper half of step 3: a new annotation, its classes, and what fills it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QMenu, QSizePolicy, QVBoxLayout, QWidget

from napari_temseg.engine.types.annotations import LABEL_MEANINGS, Annotation
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.label_images import one_a_particle
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.improve.annotation.annotator import Annotator
from napari_temseg.widgets.improve.annotation.class_list import ClassList
from napari_temseg.widgets.improve.annotation.proposals import SURE, draft_job, proposal
from napari_temseg.widgets.improve.annotation.use_labels import use_labels
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.kit.greyed import AXES_FIRST, NO_IMAGE, SEARCH_FIRST, allow
from napari_temseg.widgets.kit.style import ElidedButton, button, highlight, row
from napari_temseg.widgets.session.change import Change

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item

UNDO_WIDTH = 28  # px
MOSTLY_LABELLED = 0.5  # share of an image that is labelled, from which on its labels can be its result
HOW = {
    "classes": "Classes of the prediction",
    "sure": f"Only where the model is sure (p ≥ {SURE:g})",
    "particles": "Particles as they are now, corrections and all",
}


class AnnotationBox(QWidget):
    """Makes and fills the annotation of the micrograph in hand."""

    def __init__(self, annotator: Annotator) -> None:
        super().__init__()
        self.annotator, self.session = annotator, annotator.session
        self.new = button("New annotation", "", self._annotate)
        self.new.setMinimumWidth(self.new.sizeHint().width())  # also while it says less, so that what is beside it does not move
        self.use = ElidedButton("From my labels…", self._offer_layers)
        self.use.set_text("From my labels…", "My labels…")
        self.use.setToolTip("Learn from a labels layer of your own that has the shape of this image.")
        self.result = ElidedButton("Use as result", self._use_labels)
        self.result.set_text("Use as result", "As result")
        self.result.setToolTip(
            "Take the labels of this image, as painted and filled, as its particles: split as in step 2, measured and undoable. "
            "No model finds them, which the report says."
        )
        self.take = button(
            "Fill from result…",
            "Fill what is not painted on the shown plane with what was found; then correct it with the brush.",
            self._offer_fills,
        )
        self.draft = button(
            "Fill from strokes",
            "A random forest learns the strokes of this image and fills what is not painted; then correct it with the brush.",
            self._draft,
        )
        self.undo = button("↶", "", self._undo)  # beside what it takes back
        self.undo.setAccessibleName("Undo filling")
        self.undo.setFixedWidth(UNDO_WIDTH)
        self.classes = ClassList(annotator)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for each in (self.new, self.use, self.result):  # else they move where one of them says another thing
            each.setSizePolicy(QSizePolicy.Policy.Ignored, each.sizePolicy().verticalPolicy())
        layout.addWidget(row([self.new, self.use, self.result], (9, 10, 8)))
        layout.addWidget(self.classes)
        layout.addWidget(row([self.take, self.draft, self.undo], (1, 1, 0)))
        session = self.session
        for signal in (session.items_changed, session.current_changed, session.item_changed, session.jobs.changed, annotator.filled):
            signal.connect(self.refresh)
        for signal in (annotator.counted, annotator.autosaver.earlier_changed):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Follow the micrograph in hand."""
        item = self.session.current
        there = item is not None and item.annotation is not None
        self.new.setText("Paint" if there else "New annotation")
        self.new.setToolTip(
            "Take the brush in hand again, on the annotation of this image."
            if there
            else "Make a layer to paint on: a few strokes on particles and on the background, above all where the model is wrong."
        )
        highlight(self.new, item is not None and not there and not self.annotator.autosaver.earlier_work(item))
        none = "" if item is not None else NO_IMAGE
        for each in (self.new, self.use):
            allow(each, none)
        found = item is not None and (item.prediction is not None or item.particles is not None)
        allow(self.take, none, "" if found else SEARCH_FIRST)
        asks = AXES_FIRST if item is not None and item.asks_axes else ""
        allow(self.draft, none, asks, "" if there else "Paint a few strokes first: New annotation.", self.session.jobs.wait)
        covered = item is not None and there and self.annotator.covered(item) >= MOSTLY_LABELLED
        allow(
            self.result, none, asks, "" if covered else "Label half of the image first: Fill from strokes, for one.", self.session.jobs.wait
        )
        undoable = item.fillings.undoable if item is not None else ""
        self.undo.setToolTip(
            f"Undo filling: take back {undoable}; what was painted over it stays."
            if undoable
            else "Undo filling: takes back a filling, newer strokes or not; Ctrl+Z or U takes back whatever was done last."
        )
        allow(self.undo, "" if undoable else "Nothing was filled yet: by Fill from… or Draft.")

    def _annotate(self) -> None:
        self.annotator.annotate(self.annotator.current_item())

    def _offer_fills(self) -> None:
        item = self.annotator.current_item()
        menu = self._menu()
        for how, text in HOW.items():
            made = menu.addAction(text, partial(guarded, partial(self.take_over, item, how)))
            made.setEnabled((item.particles if how == "particles" else item.prediction) is not None)
        menu.popup(self.take.mapToGlobal(QPoint(0, self.take.height())))

    def take_over(self, item: Item, how: str) -> None:
        """Fill the shown plane of a micrograph from its prediction or its particles; `how` is a key of `HOW`."""
        plane = self.session.shown_plane(item)
        self.session.jobs.later(
            proposal(item, how, plane),
            partial(self._filled, item, item.pixels, f"filling from the {'particles' if how == 'particles' else 'prediction'}"),
        )

    def _draft(self) -> None:
        item = self.annotator.current_item()
        make = draft_job(item, self.session.shown_plane(item))
        done = partial(self._filled, item, item.pixels, "filling from strokes")
        self.session.jobs.start(f"Filling from strokes: {item.name}", make, done, can_finish=True)

    def _filled(self, item: Item, of: int, name: str, planes: dict[int, Any]) -> None:
        """`of` is which of its pixels were looked at: nothing is filled where they were replaced meanwhile."""
        if item in self.session.items and item.pixels == of:
            pixels = self.annotator.fill(item, planes, name)
            self.session.say(f"{pixels:,} px of {item.name} filled; correct them with the brush.".replace(",", "\u202f"))

    def _use_labels(self) -> None:
        use_labels(self.session, self.annotator.current_item())

    def _undo(self) -> None:
        if self.session.current is not None:
            self.session.current.fillings.undo()

    def _offer_layers(self) -> None:
        item = self.annotator.current_item()
        found = layers.own_labels(self.session.viewer, item.layer)
        if not found:
            raise TemsegError(f"{item.name}: there is no labels layer of its shape {layers.shape(item.layer)}; open or draw one first.")
        menu = self._menu()
        for layer in found:
            part = menu.addMenu(layer.name)
            for meaning, text in LABEL_MEANINGS.items():
                part.addAction(text, partial(guarded, partial(self.use_layer, item, layer, meaning)))
        menu.popup(self.use.mapToGlobal(QPoint(0, self.use.height())))

    def use_layer(self, item: Item, layer: Any, meaning: str, *, sure: bool = False) -> None:
        """Learn from somebody's labels layer: instances stay as they are, all else fills the annotation, to be corrected.

        Classes that look like instances are asked about unless somebody is `sure`.
        """
        if layer not in self.session.viewer.layers:
            raise TemsegError(f"{item.name}: that layer is no longer there; choose another one.")
        if meaning == "instances":
            self.session.adopt(item, Role.TRUTH, layer)
            item.teaches, item.trains = "truth", True
            self.session.item_changed.emit(item, Change.TRUTH)
            return
        labels, image = layers.snapshot(layer), item.micrograph()
        if meaning == "classes" and not sure:
            self.session.jobs.later(partial(one_a_particle, [labels]), partial(self._ask_meaning, item, layer))
            return
        self.session.jobs.later(partial(_imported, image, labels, meaning), partial(self._imported, item, item.pixels, layer.name))

    def _imported(self, item: Item, of: int, name: str, planes: dict[int, Any] | TemsegError) -> None:
        if isinstance(planes, TemsegError):
            raise planes
        self._filled(item, of, f"using {name}", planes)

    def _ask_meaning(self, item: Item, layer: Any, numbers: int) -> None:
        """Ask once more before particles that are told apart become classes of that many kinds."""
        if not numbers:
            self.use_layer(item, layer, "classes", sure=True)
            return
        menu = self._menu()
        menu.addSection(f"“{layer.name}” holds {numbers} numbers, each in one piece: what are they?")
        menu.addAction("Particles, each with its own number", partial(guarded, partial(self.use_layer, item, layer, "instances")))
        menu.addAction("Classes, as I said", partial(guarded, partial(self.use_layer, item, layer, "classes", sure=True)))
        menu.popup(self.use.mapToGlobal(QPoint(0, self.use.height())))

    def _menu(self) -> QMenu:
        for old in self.findChildren(QMenu):
            old.deleteLater()
        return QMenu(self)


def _imported(image: Any, labels: Any, meaning: str) -> dict[int, Any] | TemsegError:
    """In the thread of chores: class numbers by plane, of those that hold any."""
    try:
        return {index: plane for index, plane, _ in Annotation.imported(image, labels, meaning).planes()}
    except TemsegError as error:
        return error
