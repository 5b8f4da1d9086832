"""The window *Compare with truth*: which truth for which image, what is compared, and the figures side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QCheckBox, QComboBox, QDialog, QFrame, QGridLayout, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from napari_temseg.widgets.canvas.main_window import window_of
from napari_temseg.widgets.compare.evaluator import Choice, Evaluator
from napari_temseg.widgets.compare.scores import Scores
from napari_temseg.widgets.kit.greyed import allow
from napari_temseg.widgets.kit.style import button, clear_layout, highlight, hint, row, sheet

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

TRUTH_FROM_FILE = "a file …"
ROWS_IN_VIEW = 5  # images without a scroll bar
TRUTH_MEANINGS = {"found out from them": None, "each number is a particle": False, "a mask: particles are not told apart": True}


def open_comparison(session: Session) -> ComparisonDialog:
    """Open the window, or bring it to the front."""
    window = window_of(session.viewer)
    dialog: ComparisonDialog | None = window.findChild(ComparisonDialog)
    if dialog is None:
        dialog = ComparisonDialog(session, window)
    dialog.show()
    dialog.raise_()
    return dialog


class ComparisonDialog(QDialog):
    """Not modal: a row that is selected shows its mistakes on the image."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.session, self.evaluator = session, session.part(Evaluator)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Compare with truth")
        self.truths = Truths(self.evaluator)
        self.meaning = QComboBox()
        self.meaning.addItems(list(TRUTH_MEANINGS))
        self.meaning.setAccessibleName("what the numbers of the truth mean")
        self.meaning.setToolTip("What the numbers in the truth layers mean; of a mask only the area can be compared.")
        self.boxes: dict[Choice, QCheckBox] = {}
        self._ticked: dict[str, bool] = {}  # what the user said
        self.what = QWidget()
        QGridLayout(self.what).setContentsMargins(0, 0, 0, 0)
        self.go = button("Compare", "Run what is ticked on every image that has a truth, and score it.", self._compare)
        self.scores = Scores(self.evaluator)
        self.note = hint(role="warning")
        self._lay_out()
        for signal in (
            session.items_changed,
            session.item_changed,
            session.models_changed,
            session.jobs.changed,
            self.evaluator.truths_changed,
        ):
            signal.connect(self.refresh)
        inserted, removed = session.viewer.layers.events.inserted, session.viewer.layers.events.removed
        self._wired = [(inserted, self._layers_changed), (removed, self._layers_changed)]
        for emitter, slot in self._wired:
            emitter.connect(slot)
        self.evaluator.changed.connect(self._show)
        session.closing.connect(self.close)
        session.theme_changed.connect(self._restyle)
        self._restyle()
        self.refresh()
        self._show()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setSpacing(6)
        layout.addWidget(hint("Truth: a label image with every particle labelled", "heading"))
        layout.addWidget(self.truths)
        layout.addWidget(row([QLabel("what its numbers mean"), self.meaning], (0, 1)))
        layout.addWidget(hint("Compared", "heading"))
        layout.addWidget(self.what)
        layout.addWidget(self.go)
        layout.addWidget(self.note)
        layout.addWidget(self.scores, 1)
        layout.addStretch(0)
        self.setMinimumWidth(420)

    def _layers_changed(self, event: Any = None) -> None:
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Follow the session."""
        self.truths.refresh()
        choices = self.evaluator.choices()
        if choices != list(self.boxes):
            self._offer(choices)
        ready = bool(self.evaluator.pairs())
        idle = not self.session.jobs.running
        waits = "" if ready else f"Waits for a truth: choose “{TRUTH_FROM_FILE}” above, or a labels layer of the size of its micrograph."
        allow(self.go, waits, self.session.jobs.wait)
        highlight(self.go, ready and idle and not self.evaluator.comparison.lines)
        notes = self.evaluator.comparison.notes
        self.note.setText(self.evaluator.trouble or waits or "\n".join(notes))
        self.note.setVisible(bool(self.note.text()))
        QTimer.singleShot(0, self, self._grow)

    def _grow(self) -> None:
        """At least as high as what is in it: a longer sentence takes no room from the lines above."""
        layout: Any = self.layout()
        layout.activate()
        height = max(layout.totalHeightForWidth(self.width()), layout.totalMinimumSize().height())
        if height > self.height():
            self.resize(self.width(), height)

    def _offer(self, choices: list[Choice]) -> None:
        grid: Any = self.what.layout()
        clear_layout(grid)
        self.boxes = {}
        for number, choice in enumerate(choices):
            box = QCheckBox(choice.title)
            box.setToolTip(choice.tip)
            box.setChecked(self._ticked.get(choice.title, choice.likely))
            box.clicked.connect(lambda on, title=choice.title: self._ticked.__setitem__(title, on))
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            grid.addWidget(box, number // 2, number % 2)
            self.boxes[choice] = box

    def _compare(self) -> None:
        chosen = [choice for choice, box in self.boxes.items() if box.isChecked()]
        self.evaluator.compare(chosen, TRUTH_MEANINGS[self.meaning.currentText()])

    def _show(self) -> None:
        self.scores.refresh()
        self.scores.setVisible(bool(self.evaluator.comparison.lines))
        if self.evaluator.comparison.lines:
            self.resize(max(self.width(), 720), max(self.height(), 640))
        self.refresh()

    def _restyle(self) -> None:
        self.setStyleSheet(sheet(self.session.viewer))

    def done(self, result: int) -> None:
        """However it is closed: the mistakes go with the window that explains them."""
        for emitter, slot in self._wired:
            emitter.disconnect(slot)
        self._wired = []
        if not self.session.closed:
            self.evaluator.hide()
        super().done(result)


class Truths(QWidget):
    """A line for each image: which of the layers that fit it is its truth, or a file that becomes one."""

    def __init__(self, evaluator: Evaluator) -> None:
        super().__init__()
        self.evaluator, self.session = evaluator, evaluator.session
        self.choices: dict[Item, QComboBox] = {}
        self._layers: dict[Item, list[Any]] = {}
        self._shown: Any = None
        self._inner = QWidget()
        self._grid = QGridLayout(self._inner)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self._grid.setColumnStretch(0, 1)
        self._grid.setColumnStretch(1, 1)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setWidget(self._inner)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._area)
        self.refresh()

    def refresh(self) -> None:
        """Follow the session; lines are made anew only when there are others."""
        found = {item: self.evaluator.truths(item) for item in self.session.items}
        wanted = [(item, item.name, [(layer, layer.name) for layer in fits]) for item, fits in found.items()]
        if wanted != self._shown:
            self._shown, self._layers = wanted, found
            self._build()
        for item, choice in self.choices.items():
            truth = self.evaluator.truth(item)
            choice.setCurrentIndex(0 if truth is None else 1 + self._layers[item].index(truth))

    def _build(self) -> None:
        clear_layout(self._grid)
        self.choices = {}
        for line, (item, fits) in enumerate(self._layers.items()):
            name = QLabel(item.name)
            name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            name.setToolTip(item.name)
            choice = QComboBox()
            choice.setAccessibleName(f"truth of {item.name}")
            choice.setToolTip(
                f"Which labels layer is the truth of {item.name}, or a file: a label image (TIFF, PNG) or a ROI set of ImageJ; "
                "without one it is not compared."
            )
            choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            choice.setMinimumContentsLength(8)
            choice.addItems(["no truth", *(layer.name for layer in fits), TRUTH_FROM_FILE])
            choice.activated.connect(lambda index, item=item: self._chosen(item, index))
            self._grid.addWidget(name, line, 0)
            self._grid.addWidget(choice, line, 1)
            self.choices[item] = choice
        line = max((choice.sizeHint().height() for choice in self.choices.values()), default=0) + self._grid.spacing() + 4
        self._area.setFixedHeight(line * min(len(self.choices), ROWS_IN_VIEW))

    def _chosen(self, item: Item, index: int) -> None:
        fits = self._layers[item]
        if index > len(fits):
            self.refresh()  # until the file is read the line shows what is in force
            self.evaluator.ask_truth(item, self)
        else:
            self.evaluator.choose(item, fits[index - 1] if index else None)
