"""The training set: which images teach, and what is taken from each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QWidget

from napari_temseg.engine.types.results import BACKGROUND
from napari_temseg.widgets.improve.annotation.annotator import Annotator
from napari_temseg.widgets.improve.annotation.class_list import amount
from napari_temseg.widgets.improve.annotation.painted_classes import TWO_CLASSES
from napari_temseg.widgets.improve.trainer import Trainer
from napari_temseg.widgets.improve.training_labels import SOURCE_TITLES, source, sources
from napari_temseg.widgets.kit.greyed import allow
from napari_temseg.widgets.kit.style import ElidedBox, clear_layout

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item


class TrainingSet(QWidget):
    """A line for each image that holds something to learn from; while a training runs, ticked are those that it learns from."""

    def __init__(self, annotator: Annotator, trainer: Trainer, parent: QWidget) -> None:
        super().__init__(parent)
        self.annotator, self.session, self.trainer = annotator, annotator.session, trainer
        self.boxes: dict[Item, QCheckBox] = {}
        self.choices: dict[Item, QComboBox] = {}
        self._shown: list[Any] = []
        self._joined: list[Item] = []  # what was ever in it, in that order: who comes moves no line that is there
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self._grid.setColumnStretch(0, 1)
        for signal in (
            self.session.items_changed,
            self.session.current_changed,
            self.session.item_changed,
            annotator.counted,
            trainer.advanced,
        ):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Follow the session; lines are made anew only when there are others."""
        there = self.session.items
        self._joined = [item for item in self._joined if item in there]
        self._joined += [item for item in there if item not in self._joined and sources(item)]
        wanted = [(item, item.name, tuple(found)) for item in self._joined if (found := sources(item))]
        if wanted != self._shown:
            self._shown = wanted
            self._build([item for item, _, _ in wanted])
        learnt = self.trainer.learnt if self.trainer.running else None
        for item, box in self.boxes.items():
            trains = self.annotator.trains(item) if learnt is None else item in learnt
            box.setChecked(trains)
            choice = self.choices[item]
            choice.setCurrentIndex(max(0, choice.findData(source(item))))
            counts, what = self.annotator.counts_of(item), self.annotator.word_of(item)
            lines = [f"{self.session.classes.get(number, '')}: {amount(count, what)}" for number, count in counts.items() if count.pixels]
            why = "" if trains or item.trains is not None else " It is not like the image in hand (sample, folder, size): tick it if it is."
            told = f"{item.name} takes part in training when this is ticked.{why}"
            if learnt is not None:
                does = "learns" if trains else "does not learn"
                told = f"The training that runs {does} from {item.name}. Which the next learns from is ticked when it is done."
            box.setToolTip("\n".join([told, *lines]))
            busy = "" if learnt is None else self.session.jobs.wait
            allow(box, busy)
            allow(choice, busy, "" if trains else "Tick the image first.")
        self.setVisible(bool(self.boxes))

    def _build(self, items: list[Item]) -> None:
        clear_layout(self._grid)
        for choice in self.choices.values():
            choice.deleteLater()
        self.boxes.clear()
        self.choices.clear()
        for line, item in enumerate(items):
            box = ElidedBox(item.name)
            box.clicked.connect(lambda on, item=item: self._ticked(item, on))
            choice = QComboBox()
            choice.setAccessibleName(f"what {item.name} teaches")
            choice.setToolTip(
                "What is learnt from this image: the strokes painted on it, or its particles as they were corrected or reviewed, "
                "every one with its whole outline and everything else as background."
            )
            for each in sources(item):
                choice.addItem(SOURCE_TITLES[each], each)
            choice.activated.connect(lambda _, item=item: self._chosen(item))
            self.boxes[item], self.choices[item] = box, choice
            self._grid.addWidget(box, line, 0)
            only = choice.count() == 1
            self._grid.setRowMinimumHeight(line, choice.sizeHint().height())  # what is below does not move when there is a choice
            self._grid.addWidget(QLabel(choice.itemText(0)) if only else choice, line, 1)
            if only:
                choice.setParent(self)
                choice.hide()

    def _ticked(self, item: Item, on: bool) -> None:
        item.trains, item.trains_beside = on, self.session.current
        if on and not source(item):
            item.teaches = sources(item)[0]
            self.annotator.recount(item)
        self.annotator.counted.emit()

    def _chosen(self, item: Item) -> None:
        item.teaches = self.choices[item].currentData()
        self.annotator.recount(item)


def ready(annotator: Annotator) -> str:
    """What training still waits for, "" when there is enough to train on."""
    session = annotator.session
    if not session.items:
        return "Waits for an image: drop micrographs onto the window, or choose File ▸ Open."
    items = [item for item in session.items if source(item)]
    if not items and any(item.annotation is not None for item in session.items):
        return "Waits for strokes: paint on particles and on the background."
    if not items:
        return "Waits for labels: choose New annotation, paint a few strokes on particles and on the background."
    trained = [item for item in items if annotator.trains(item)]
    if not trained and session.current is not None and not source(session.current):
        return "Waits for strokes on this image, or for an image like it: tick one below."
    if not trained:
        return "Waits for an image to learn from: tick one below."
    if any(item.asks_axes for item in trained):
        return "Waits to know what the planes of a stack are (below)."
    labelled = sorted(annotator.labelled())
    if len(labelled) >= TWO_CLASSES:
        return ""
    missing = "particle" if labelled == [BACKGROUND] else session.classes[BACKGROUND] if labelled else ""
    return f"Waits for strokes on the {missing} too." if missing else "Waits for strokes: paint on particles and on the background."
