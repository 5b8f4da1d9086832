"""What a picture waits for a word on: a sentence, and a button for each answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_temseg.engine.types.errors import TemsegError

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


@dataclass(frozen=True, eq=False)
class Answer:
    """One way out: its button, what that says of the result, and what it does."""

    text: str
    tip: str
    action: Callable[[], Any]


@dataclass(frozen=True, eq=False)
class Question:
    """A sentence `about` one thing of a picture; a newer one about the same thing takes its place."""

    item: Item
    about: str
    text: str
    answers: tuple[Answer, ...]
    waits: bool = False  # until no other is open: it is only an offer


class Questions(QObject):
    """The open questions of a session, the oldest first; `changed` tells that there are others."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._open: list[Question] = []
        session.items_changed.connect(self._drop_gone)

    def ask(self, item: Item, about: str, text: str, answers: Sequence[Answer], *, waits: bool = False) -> None:
        """Ask; nothing waits for the answer but what it would change."""
        self._without(item, about)
        self._open.append(Question(item, about, text, tuple(answers), waits))
        self.changed.emit()

    def drop(self, item: Item, about: str) -> None:
        """It need not be asked any more."""
        if self._without(item, about):
            self.changed.emit()

    def of(self, item: Item | None) -> Question | None:
        """The oldest question on a picture, of those that wait only where there is no other."""
        return next((each for each in sorted(self._open, key=lambda each: each.waits) if each.item is item), None)

    def on(self, item: Item, about: str) -> Question | None:
        """The question about one thing of a picture."""
        return next((each for each in self._open if each.item is item and each.about == about), None)

    def elsewhere(self, item: Item | None) -> list[Item]:
        """The other pictures on which something is asked, the oldest question first."""
        return [each for each in dict.fromkeys(each.item for each in self._open) if each is not item]

    def answer(self, question: Question, answer: Answer) -> None:
        """The question is settled, in this way; it stays where that cannot be done now (`TemsegError`)."""
        if question not in self._open:
            return
        self.drop(question.item, question.about)
        try:
            answer.action()
        except TemsegError:
            if question.item in self.session.items and self.on(question.item, question.about) is None:
                self._open.append(question)
                self.changed.emit()
            raise

    def _without(self, item: Item, about: str) -> bool:
        before = len(self._open)
        self._open = [each for each in self._open if not (each.item is item and each.about == about)]
        return len(self._open) < before

    def _drop_gone(self) -> None:
        gone = [each for each in self._open if each.item not in self.session.items]
        if gone:
            self._open = [each for each in self._open if each not in gone]
            self.changed.emit()
