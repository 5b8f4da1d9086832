"""The open question on the micrograph in hand, with a button an answer, or the way to the picture that waits for one; else hidden."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_temseg.engine.types.wording import some_of
from napari_temseg.widgets.kit.style import button, clear_layout, hint, row
from napari_temseg.widgets.session.questions import Question, Questions

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class QuestionBar(QWidget):
    """Shows one question at a time, the oldest; where there is none on the picture in hand, that others wait for a word."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session, self.questions = session, session.part(Questions)
        self.question: Question | None = None
        self.waiting: list[Item] = []
        self.text = hint(role="warning")
        self.answers = QVBoxLayout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.text)
        layout.addLayout(self.answers)
        for signal in (self.questions.changed, session.current_changed):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Follow the questions."""
        question = self.questions.of(self.session.current)
        waiting = [] if question is not None else self.questions.elsewhere(self.session.current)
        self.setVisible(bool(question or waiting))
        if question is self.question and waiting == self.waiting:
            return
        self.question, self.waiting = question, waiting
        clear_layout(self.answers)
        if waiting:
            names = some_of([item.name for item in waiting])
            self.text.setText(f"{names}: a question waits for your answer." if len(waiting) == 1 else f"Questions wait on {names}.")
            self.answers.addWidget(button("Show it", "Go to that picture and its question.", partial(self._show, waiting[0])))
        if question is not None:
            self.text.setText(question.text)
            made = [button(each.text, each.tip, partial(self.questions.answer, question, each)) for each in question.answers]
            self.answers.addWidget(row(made, (1,) * len(made)))

    def _show(self, item: Item) -> None:
        self.session.set_current(item)
        self.session.reveal()
