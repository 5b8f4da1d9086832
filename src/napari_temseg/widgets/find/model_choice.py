"""The choice of a model, and the way to delete one of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_temseg.engine.types.wording import some_of
from napari_temseg.widgets.kit.greyed import allow
from napari_temseg.widgets.kit.style import NameBox, button, hint, row
from napari_temseg.widgets.session import export
from napari_temseg.widgets.session.own_models import OwnModels

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item, ModelsInUse
    from napari_temseg.widgets.session.session import Session

FROM_FILE = "from file…"


class ModelBox(NameBox):
    """The models there are: shipped, trained here, or from a file. `taken` tells that one was chosen, and which were in use before."""

    taken = Signal(str, object, object)  # name, ModelsInUse, dict of names by item

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session, self.own = session, session.part(OwnModels)
        self.setToolTip("Which model looks for particles: the one that ships, one trained here, or a .temseg file.")
        self.setAccessibleName("model")
        self.setSizeAdjustPolicy(NameBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.activated.connect(self._chosen)
        session.models_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Fill it anew."""
        names = ["particles", *self.session.models | self.session.own]
        if self.session.model not in names:
            names.append(self.session.model)
        self.clear()
        for name in names:
            shown = "particles (shipped)" if name == "particles" else self.session.shown_name(name)
            self.addItem(shown, name)
            self.setItemData(self.count() - 1, self.own.tip(name), Qt.ItemDataRole.ToolTipRole)
        self.addItem(FROM_FILE, None)
        self.setCurrentIndex(names.index(self.session.model))

    def _chosen(self, index: int) -> None:
        name = self.itemData(index)
        if name is None:
            name = export.ask_model(self.session, self, "Open a model")
        before, had = self.session.in_use, {item: self.session.model_of(item) for item in self.session.items}
        if name:
            self.session.use_model(name)
        self.refresh()
        if name:
            self.taken.emit(name, before, had)


class ModelRow(QWidget):
    """The choice, and beside it ×, which asks before a model trained here is deleted.

    `everywhere` is for the panel to put below *Find*, which does not move then.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session, self.own = session, session.part(OwnModels)
        self.box = ModelBox(session)
        self.remove = button("×", "Delete the chosen model, if it was trained here, with its file; asks first.", self._ask)
        self.remove.setAccessibleName("remove model")
        self.remove.setFixedWidth(28)
        self.warning = hint(role="warning")
        self.delete = button("Delete", "Delete the file of this model for good; particles that it found stay.", self._delete)
        self.keep = button("Keep", "Leave the model as it is.", self._asked)
        self.question = QWidget()
        layout = QVBoxLayout(self.question)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.warning)
        layout.addWidget(row([self.keep, self.delete], (1, 1)))
        self.everywhere = EverywhereBar(session, self.box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(row([QLabel("model"), self.box, self.remove], (0, 1, 0)))
        layout.addWidget(self.question)
        session.models_changed.connect(self._asked)
        session.jobs.changed.connect(self._asked)
        self._asked()

    def _ask(self) -> None:
        self.own.check_removable(self.session.model)
        self.warning.setText(f"Delete the model “{self.session.model}” for good? It cannot be brought back.")
        self.question.show()
        self.keep.setFocus()

    def _delete(self) -> None:
        self.own.remove(self.session.model)

    def _asked(self) -> None:
        self.question.hide()
        own = self.own.has(self.session.model)
        allow(self.remove, "" if own else "Only a model of your own can be deleted: choose it first.", self.session.jobs.wait)


class EverywhereBar(QWidget):
    """Where a model that was chosen a moment ago is in use for other images too: which, and the ways to have it here alone, or nowhere.

    It goes with the next thing that is done.
    """

    def __init__(self, session: Session, box: ModelBox) -> None:
        super().__init__()
        self.session = session
        self._name, self._before = "", session.in_use
        self.told = hint()
        self.here = button("Only here", "Use it for this image alone; the others keep the model that they had.", self._only_here)
        self.undo = button("Undo", "Every image has the model again that it had before.", self._undo)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.told)
        layout.addWidget(row([self.here, self.undo], (1, 1)))
        box.taken.connect(self._taken)
        for signal in (session.current_changed, session.items_changed, session.models_changed, session.jobs.changed):
            signal.connect(self.hide)
        self.hide()

    def _taken(self, name: str, before: ModelsInUse, had: dict[Item, str]) -> None:
        here = self.session.current
        others = [item.name for item, used in had.items() if item is not here and used != name]
        if others:
            self._name, self._before = name, before
            self.told.setText(f"“{self.session.shown_name(name)}” is in use for {some_of(others)} too now.")
            self.show()

    def _only_here(self) -> None:
        item = self.session.current
        self.session.bring_back(self._before)
        if item is not None:
            self.session.use_model_for(item, self._name)

    def _undo(self) -> None:
        self.session.bring_back(self._before)
