"""The table of open micrographs: two lines a row, sample and meaning of planes editable in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QCompleter,
    QHeaderView,
    QLineEdit,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QTableView,
    QWidget,
)

from napari_temseg.engine.types.micrograph import AXES, Calibration
from napari_temseg.files.readers import AXES_BY_NAME
from napari_temseg.widgets.canvas import micrograph_layer
from napari_temseg.widgets.canvas.colours import VERMILION
from napari_temseg.widgets.kit.style import later, theme_colours
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.results.wording import found_by_another

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

IMAGE_COLUMN, SAMPLE_COLUMN, PLANES_COLUMN = range(3)
_COLUMN_HEADERS = (
    ("image", "The image or stack; below it the number of its particles, and where it stands."),
    ("sample", "What is in the picture: pictures of one sample are pooled. Double-click or F2 to type it. Below it the pixel size."),
    ("planes", "What the planes of a stack are: fields of one sample, time, or depth of one specimen. Click to say it."),
)
_MEANING = {axes: name for name, axes in AXES_BY_NAME.items()}
_FIRST, _SECOND = Qt.ItemDataRole.DisplayRole, int(Qt.ItemDataRole.UserRole) + 1
_ENDS = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft


def short_size(calibration: Calibration) -> str:
    """The pixel size alone, "px only" when there is none."""
    return "px only" if calibration.pixel_size is None else calibration.describe().split(" · ")[0]


@dataclass(frozen=True)
class _Row:
    """What the table shows of a picture, worked out once a change and not once a look."""

    lines: tuple[tuple[str, str], ...]
    story: str
    ignored: bool
    asks: bool

    @classmethod
    def of(cls, item: Item, model: str = "") -> _Row:
        """`model` is that which found its particles, if it is not the one in use."""
        n = item.n_planes
        standing = item.status if item.ignored else _standing(item, model)
        planes = ("", "") if n == 1 else (str(n), _MEANING.get(item.axes, "what?"))
        lines = ((item.name, standing), (item.sample, short_size(item.calibration)), planes)
        return cls(lines, _story(item, model), item.ignored, item.asks_axes)


def _standing(item: Item, model: str) -> str:
    """“47 particles · corrected · 1 excluded”: all that were found, as step 4 counts them."""
    if item.measurement is None or item.count is None:
        return item.status
    n = len(item.measurement)
    out = n - item.count
    strange = "unlike its training" if item.unlike and not item.reviewed else ""
    by = f"by “{model}”" if model and not item.reviewed else ""
    # What is excluded was done by hand: “corrected” beside it would tell nothing more, in a narrow column.
    status = "" if out and item.status == "corrected" else item.status
    parts = [f"{n} particle{'s' if n != 1 else ''}", status, by, strange, f"{out} excluded" if out else ""]
    return " · ".join(filter(None, parts))


def _story(item: Item, model: str) -> str:
    height, width = item.frame
    known = item.calibration
    spread = f", ± {100 * known.uncertainty:.2g} %" if known.uncertainty else ""
    lines = [
        item.name,
        micrograph_layer.path_of(item.layer),  # pictures of one name, of two folders, differ in this alone
        f"{width} × {height} px" + ("" if item.n_planes == 1 else f", {item.n_planes} planes: {AXES.get(item.axes, 'not said what')}"),
        f"pixel size: {known.describe()}{spread}",
        f"sample: {item.sample or 'not named'}",
        *micrograph_layer.notes_of(item.layer),
        f"particles: {item.status}" if item.count is None else _standing(item, model),
        f"found by “{model}”, which is not the model in use now" if model else "",
        item.unlike,
    ]
    return "\n".join(filter(None, lines))


class ImageModel(QAbstractTableModel):
    """The pictures of a session; editing goes through `edited(item, column, value)`."""

    def __init__(self, session: Session, edited: Callable[[Item, int, str], None], parent: QWidget) -> None:
        super().__init__(parent)
        self.session, self._edited = session, edited
        self.items: list[Item] = []
        self._rows: list[_Row] = []
        session.items_changed.connect(self.refresh)
        session.item_changed.connect(self.refresh_item)
        session.models_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Follow what is open."""
        items = list(self.session.items)
        if items == self.items:
            for item in items:
                self.refresh_item(item)
            return
        self.beginResetModel()
        self.items, self._rows = items, [self._row(item) for item in items]
        self.endResetModel()

    def refresh_item(self, item: Item, what: Change | None = None) -> None:
        """Show what is known of a picture now."""
        if item in self.items and item in self.session.items:
            row = self.items.index(item)
            self._rows[row] = self._row(item)
            self.dataChanged.emit(self.index(row, 0), self.index(row, PLANES_COLUMN))

    def _row(self, item: Item) -> _Row:
        return _Row.of(item, found_by_another(self.session, item))

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex | None = None) -> int:  # noqa: N802  Qt's name, as those below
        """One a picture."""
        return len(self.items)

    def columnCount(self, parent: QModelIndex | QPersistentModelIndex | None = None) -> int:  # noqa: N802
        """Image, sample, planes."""
        return len(_COLUMN_HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _FIRST) -> Any:  # noqa: N802
        """Names of the columns and what they hold."""
        if orientation == Qt.Orientation.Horizontal and role in (_FIRST, Qt.ItemDataRole.ToolTipRole):
            return _COLUMN_HEADERS[section][role != _FIRST]
        return None

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = _FIRST) -> Any:
        """First and second line of a cell, what is edited, and the whole story as tooltip."""
        row, column = self._rows[index.row()], index.column()
        if role in (_FIRST, _SECOND):
            return row.lines[column][role == _SECOND]
        if role == Qt.ItemDataRole.EditRole:
            return row.lines[column][column == PLANES_COLUMN]
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.story
        return None

    def setData(self, index: QModelIndex | QPersistentModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        """Hand over what was edited."""
        self._edited(self.items[index.row()], index.column(), str(value).strip())
        return True

    def flags(self, index: QModelIndex | QPersistentModelIndex) -> Qt.ItemFlag:
        """Samples can be edited, and the meaning of planes where there are several."""
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        editable = index.column() == SAMPLE_COLUMN or (index.column() == PLANES_COLUMN and self.items[index.row()].n_planes > 1)
        return flags | Qt.ItemFlag.ItemIsEditable if editable else flags

    def row_state(self, row: int) -> tuple[bool, bool]:
        """Whether the picture is left out, and whether the meaning of its planes is asked for."""
        return self._rows[row].ignored, self._rows[row].asks


class _TwoLines(QStyledItemDelegate):
    """Draws a cell in the theme's colours; edits samples with a line that knows the others, planes with a list."""

    def __init__(self, view: ImageTable) -> None:
        super().__init__(view)
        self.view = view

    def sizeHint(self, option: Any, index: QModelIndex | QPersistentModelIndex) -> QSize:  # noqa: N802
        height = option.fontMetrics.height()
        return QSize(10, 2 * height + 8)

    def paint(self, painter: Any, option: Any, index: QModelIndex | QPersistentModelIndex) -> None:
        colours = self.view.colours
        ignored, asks = self.view.images.row_state(index.row())
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.fillRect(option.rect, QColor(colours["current" if selected else "background"]))
        height = option.fontMetrics.height()
        strong = QColor(colours["text"])
        weak = QColor(strong)
        weak.setAlphaF(0.7 if selected else 0.6)
        if ignored:
            strong = weak
        for line, (role, colour) in enumerate(((_FIRST, strong), (_SECOND, weak))):
            area = QRect(option.rect.left() + 4, option.rect.top() + 4 + line * height, option.rect.width() - 8, height)
            text = index.data(role)
            if index.column() == PLANES_COLUMN and line == 1 and asks:
                colour = strong if selected else QColor(VERMILION)
            if index.column() == SAMPLE_COLUMN and line == 0 and not text:
                text, colour = "–", weak
            painter.setPen(colour)
            elide = Qt.TextElideMode.ElideRight if line else Qt.TextElideMode.ElideMiddle
            painter.drawText(area, _ENDS, option.fontMetrics.elidedText(text, elide, area.width()))
        painter.setPen(QColor(colours["foreground"]))
        painter.drawLine(option.rect.bottomLeft(), option.rect.bottomRight())
        painter.restore()

    def createEditor(self, parent: QWidget, option: Any, index: QModelIndex | QPersistentModelIndex) -> QWidget:  # noqa: N802
        if index.column() == PLANES_COLUMN:
            box = QComboBox(parent)
            box.addItems(list(AXES_BY_NAME))
            box.activated.connect(later(self._commit, box))
            return box
        line = QLineEdit(parent)
        known = sorted({item.sample for item in self.view.session.items if item.sample})
        completer = QCompleter(known, line)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        line.setCompleter(completer)
        return line

    def _commit(self, editor: QWidget) -> None:
        self.commitData.emit(editor)
        self.closeEditor.emit(editor)

    def setEditorData(self, editor: Any, index: QModelIndex | QPersistentModelIndex) -> None:  # noqa: N802
        if isinstance(editor, QComboBox):
            editor.setCurrentText(index.data(Qt.ItemDataRole.EditRole))
            return
        super().setEditorData(editor, index)

    def setModelData(self, editor: Any, model: Any, index: QModelIndex | QPersistentModelIndex) -> None:  # noqa: N802
        model.setData(index, editor.currentText() if isinstance(editor, QComboBox) else editor.text())


class ImageTable(QTableView):
    """Shows an `ImageModel`; several rows may be selected, the current one is the picture in hand."""

    unwanted = Signal(object)  # the pictures that are to be closed

    def __init__(self, session: Session, edited: Callable[[Item, int, str], None]) -> None:
        super().__init__()
        self._menu = QMenu(self)
        self.session, self.colours = session, theme_colours(session.viewer)
        self._pressed = False
        self.images = ImageModel(session, edited, self)
        self.setModel(self.images)
        self.setAccessibleName("images")
        self.setToolTip(
            "The open images: a click takes one in hand; Ctrl or Shift and click selects several for the buttons above. "
            "Delete closes the selected ones; a click with the right button offers it too."
        )
        self.setItemDelegate(_TwoLines(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        self.setTabKeyNavigation(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header = self.horizontalHeader()
        header.setDefaultAlignment(_ENDS)
        header.setHighlightSections(False)
        header.setMinimumSectionSize(40)
        for column, mode in enumerate((QHeaderView.ResizeMode.Stretch, QHeaderView.ResizeMode.Interactive, QHeaderView.ResizeMode.Fixed)):
            header.setSectionResizeMode(column, mode)
        self.setColumnWidth(SAMPLE_COLUMN, 92)  # what is found is read beside it, where there are planes too
        self.setColumnWidth(PLANES_COLUMN, 56)
        self.clicked.connect(self._clicked)
        session.theme_changed.connect(self._retheme)
        for signal in (self.images.modelReset, self.images.dataChanged):
            signal.connect(self._show_planes)
        self._show_planes()

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802
        """Delete is meant for the pictures of this list: passed on, it would reach the particles."""
        if event.key() not in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            super().keyPressEvent(event)
        elif chosen := self.selected():
            self.unwanted.emit(chosen)

    def contextMenuEvent(self, event: Any) -> None:  # noqa: N802
        """Close the pictures that are selected."""
        if self.indexAt(event.pos()).isValid() and (chosen := self.selected()):
            self.menu(chosen).popup(event.globalPos())

    def menu(self, chosen: list[Item]) -> QMenu:
        """What a click with the right button offers for these pictures."""
        self._menu.clear()
        name = f"“{chosen[0].name}”" if len(chosen) == 1 else f"{len(chosen)} images"
        action = self._menu.addAction(f"Close {name.replace('&', '&&')}\tDel")
        action.triggered.connect(later(self.unwanted.emit, chosen))
        return self._menu

    def selected(self) -> list[Item]:
        """The pictures of the selected rows, in their order."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [self.images.items[row] for row in rows]

    def take(self, item: Item | None) -> None:
        """Make a picture the current row; a selection that holds it stays."""
        if item not in self.images.items:
            return
        index = self.images.index(self.images.items.index(item), IMAGE_COLUMN)
        if self._pressed and self.currentIndex().row() == index.row():
            return  # the click that took it in hand selects next, as Ctrl and Shift say
        if self.currentIndex().row() != index.row() or not self.selectionModel().isRowSelected(index.row(), QModelIndex()):
            self.setCurrentIndex(index)

    def mousePressEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Qt makes a row the current one before it selects or lets go of it."""
        self._pressed = True
        try:
            super().mousePressEvent(event)
        finally:
            self._pressed = False

    def _clicked(self, index: QModelIndex | QPersistentModelIndex) -> None:
        if index.column() == PLANES_COLUMN and self.images.flags(index) & Qt.ItemFlag.ItemIsEditable:
            self.edit(index)
            for box in self.viewport().findChildren(QComboBox):
                box.showPopup()

    def _show_planes(self, *_: Any) -> None:
        self.setColumnHidden(PLANES_COLUMN, not any(item.n_planes > 1 for item in self.images.items))

    def _retheme(self) -> None:
        self.colours = theme_colours(self.session.viewer)
        self.viewport().update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        """The rows, and in the room below them what may be done there."""
        super().paintEvent(event)
        used = self.verticalHeader().length()
        free = self.viewport().rect().adjusted(12, used + 4, -12, -4)
        if free.height() < 3 * self.fontMetrics().height():
            return
        painter = QPainter(self.viewport())
        colour = QColor(self.colours["text"])
        colour.setAlphaF(0.5)
        painter.setPen(colour)
        painter.drawText(free, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, "Drop micrographs or a folder here")
        painter.end()
