"""The open question on the micrograph in hand, with a button an answer; hidden when there is none."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_temseg.widgets.kit.style import button, clear_layout, hint, row
from napari_temseg.widgets.session.questions import Question, Questions

if TYPE_CHECKING:
    from napari_temseg.widgets.session.session import Session


class QuestionBar(QWidget):
    """Shows one question at a time, the oldest."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session, self.questions = session, session.part(Questions)
        self.question: Question | None = None
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
        self.setVisible(question is not None)
        if question is self.question:
            return
        self.question = question
        clear_layout(self.answers)
        if question is not None:
            self.text.setText(question.text)
            made = [button(each.text, each.tip, partial(self.questions.answer, question, each)) for each in question.answers]
            self.answers.addWidget(row(made, (1,) * len(made)))
