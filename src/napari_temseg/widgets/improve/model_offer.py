"""What was trained on some pictures is offered for the others, and never used there unasked."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject

from napari_temseg.widgets.find.finder import Finder
from napari_temseg.widgets.session.questions import Answer, Questions

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

TRAINED = "trained model"  # what the question is about


class ModelOffer(QObject):
    """Asks once for each picture and new model; a picture that is opened later is asked about too."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.questions = session, session.part(Questions)
        self._new = ""  # the newest that was trained in this session
        self._asked: WeakKeyDictionary[Item, str] = WeakKeyDictionary()  # about which model
        session.items_changed.connect(self._ask)
        session.models_changed.connect(self._ask)
        session.model_renamed.connect(self._renamed)

    def trained(self, name: str) -> None:
        """A model was trained."""
        self._new = name
        self._ask()

    def _renamed(self, name: str, new: str) -> None:
        if name == self._new:
            self._new = new
            for item, about in self._asked.items():
                if about == name:
                    self.questions.drop(item, TRAINED)
            self._asked.clear()

    def _ask(self) -> None:
        session, new = self.session, self._new
        for item in session.items:
            if new not in session.models or session.model_of(item) == new or session.chosen == new:
                if item in self._asked:
                    self.questions.drop(item, TRAINED)
            elif self._asked.get(item) != new:
                self._asked[item] = new
                used = session.model_of(item)
                answers = (
                    Answer(
                        f"Search with {new}",
                        "Use the new model for this image, and find particles anew; Undo brings back what was found.",
                        partial(self._use, item, new),
                    ),
                    Answer(f"Keep {used}", "Leave this image to the model in use for it.", lambda: None),
                )
                self.questions.ask(
                    item,
                    TRAINED,
                    f"“{new}” learnt from other images; “{used}” stays in use here. Search with “{new}” too?",
                    answers,
                    waits=True,
                )

    def _use(self, item: Item, name: str) -> None:
        self.session.use_model_for(item, name)
        self.session.part(Finder).find([item])
