"""What napari's own menus do: find and measure particles without a dock being open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QComboBox, QDialog, QFormLayout, QVBoxLayout

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.wording import four
from napari_temseg.files.readers import AXES_BY_NAME
from napari_temseg.pipeline.label_images import iter_adopt
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.canvas.main_window import window_of
from napari_temseg.widgets.find.finder import Finder
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.kit.greyed import allow
from napari_temseg.widgets.kit.style import button, hint, sheet
from napari_temseg.widgets.session.item_measurement import named
from napari_temseg.widgets.session.results.state import ResultState, commit
from napari_temseg.widgets.session.viewer_session import session_of

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Labels

    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


def find_particles(viewer: napari.viewer.Viewer) -> None:
    """Layers ▸ Segment ▸ Find particles: in every open image and stack, with the settings in force."""
    session = session_of(viewer)
    items = [item for item in session.items if not item.ignored]
    asked = [item for item in items if item.asks_axes]
    if asked:
        PlanesDialog(session, asked, partial(_find, session)).open()
    else:
        _find(session)


def _find(session: Session) -> None:
    def start() -> None:
        session.part(Finder).find([item for item in session.items if not item.ignored])
        _Teller(session)

    guarded(start)


def measure_particles(viewer: napari.viewer.Viewer) -> None:
    """Layers ▸ Measure ▸ Measure particles: what was found, or the selected labels layers taken as particles."""
    session = session_of(viewer)
    chosen = layers.selected_labels(session.viewer)
    found = [item for item in session.items if item.measurement is not None and not item.ignored]
    if chosen:
        guarded(lambda: adopt(session, chosen))
    elif found:
        _show_results(session)
        show_info(summary(found))
    else:
        guarded(_nothing_to_measure)


def _nothing_to_measure() -> None:
    raise TemsegError("There is nothing to measure yet: find particles first (Layers ▸ Segment), or select a labels layer of particles.")


def adopt(session: Session, chosen: Sequence[Labels]) -> None:
    """Take labels layers as the particles of the images they fit on, one after another, and measure them."""
    pairs = [(layer, _image_of(session, layer)) for layer in chosen]
    work = [(layers.snapshot(layer), item.micrograph()) for layer, item in pairs]

    def done(results: list[Any]) -> None:
        there = [(item, result) for (_, item), result in zip(pairs, results, strict=True) if item in session.items]
        for item, (particles, measurement) in there:
            commit(session, item, ResultState(None, particles, named(measurement, item)), "taking labels as particles")
        for layer in chosen:
            layers.set_visible(layer, False)  # its copy, with the table, is shown instead
            _show_results(session)
        session.say(summary([item for item, _ in there]))

    session.jobs.start("Measuring particles", lambda: iter_adopt(work), done)
    _Teller(session)


def _image_of(session: Session, layer: Labels) -> Item:
    """The image in hand if the labels fit on it, else the first they fit on."""
    candidates = [session.current, *session.items]
    for item in candidates:
        if item is not None and layers.shape(item.layer) == layers.shape(layer):
            return item
    size = " × ".join(map(str, layers.shape(layer)))
    raise TemsegError(f"{layer.name}: no open image has its size of {size} px; open the micrograph that it belongs to.")


def summary(items: Sequence[Item]) -> str:
    """One sentence: how many particles, where, and their mean diameter where that is one number."""
    total = sum(item.count or 0 for item in items)
    where = items[0].name if len(items) == 1 else f"{len(items)} images"
    text = f"{total} particle{'s' if total != 1 else ''} measured in {where}"
    units = {item.measurement.length_unit for item in items if item.measurement is not None}
    if len(units) != 1 or not total:
        return f"{text}."
    unit = units.pop()
    sizes = [size for item in items if item.measurement is not None for size in _diameters(item.measurement, unit)]
    return f"{text}; mean diameter {four(sum(sizes) / len(sizes))} {unit}."


def _diameters(measurement: Any, unit: str) -> list[float]:
    table = measurement.table
    return list(table.loc[table["excluded"] == "", f"ecd_{unit}"])


def _show_results(session: Session) -> None:
    from napari_temseg.widgets.particles.distribution_dock import open_distribution  # brings the plots, which finding does without

    open_distribution(session)


class _Teller(QObject):
    """Makes the sentences of the running job notifications too: without the dock nobody would see them."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        session.said.connect(self._tell)
        session.jobs.changed.connect(self._end)

    def _tell(self, sentence: str) -> None:
        if sentence:
            show_info(sentence)

    def _end(self) -> None:
        if not self.session.jobs.running:
            self.session.said.disconnect(self._tell)
            self.session.jobs.changed.disconnect(self._end)
            self.deleteLater()


class PlanesDialog(QDialog):
    """Asks what the planes of stacks are; goes on when all is said."""

    def __init__(self, session: Session, items: Sequence[Item], go_on: Callable[[], None]) -> None:
        super().__init__(window_of(session.viewer))
        self.session, self.items, self.go_on = session, list(items), go_on
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("What are the planes?")
        self.setStyleSheet(sheet(session.viewer))
        layout = QVBoxLayout(self)
        layout.addWidget(hint("Fields are different places of one sample, time shows one place again and again, depth is one specimen."))
        form = QFormLayout()
        self.choices = [QComboBox() for _ in self.items]
        for item, box in zip(self.items, self.choices, strict=True):
            box.addItem("choose …", "")
            for name, axes in AXES_BY_NAME.items():
                box.addItem(name, axes)
            box.setToolTip("Fields and depth are measured plane by plane and pooled; in time, the planes show the same particles.")
            box.currentIndexChanged.connect(self._refresh)
            form.addRow(f"{item.name} ({item.n_planes} planes)", box)
        layout.addLayout(form)
        self.find_particles = button("Find particles", "Say it, and find particles in all open images.", self._go, primary=True)
        layout.addWidget(self.find_particles)
        self.find_particles.setDefault(True)
        self._refresh()
        session.items_changed.connect(self._items_changed)

    def _refresh(self) -> None:
        said = all(box.currentData() for box in self.choices)
        allow(self.find_particles, "" if said else "Choose first what the planes of each stack are.")

    def _go(self) -> None:
        said = [(item, box.currentData()) for item, box in zip(self.items, self.choices, strict=True)]
        self.accept()
        for item, axes in said:
            if item in self.session.items:
                self.session.set_axes(item, axes)
        self.go_on()

    def _items_changed(self) -> None:
        if not any(item in self.session.items for item in self.items):
            self.reject()
