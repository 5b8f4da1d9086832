"""The window *Audit*: one question after another, by two clicks and a key each, and what they say of the result at the end."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QLineEdit, QVBoxLayout, QWidget

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.audit.kept_audits import audits_of, keep_answers, said_by, with_content
from napari_temseg.widgets.audit.question_view import QuestionView
from napari_temseg.widgets.canvas.main_window import window_of
from napari_temseg.widgets.kit.greyed import allow
from napari_temseg.widgets.kit.style import button, hint, row, sheet
from napari_temseg.widgets.session.change import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

_BUTTONS = (
    ("A", "one, outlined well", "One particle, and its outline is right."),
    ("S", "several", "The outline holds several particles."),
    ("P", "a part", "The outline holds a part of a particle."),
    ("R", "none", "There is no particle."),
    ("N", "next", "Of a particle: it cannot be measured, show the outline. Of a field: all that was missed is measured."),
    ("U", "back", "Ask the question before this one again."),
)
_FIELD = "Click both ends of every particle that has no outline; then N."
_BLIND = "Click both ends of the particle at the cross: its diameter. N: there is none that could be measured."
_JUDGED = "Of the outline: A one particle, outlined well; S several in one; P a part of one; R no particle."


def open_audit(session: Session, items: Sequence[Item], measurements: Sequence[Measurement]) -> AuditDialog:
    """Ask about the particles of these micrographs, in a window of its own; the one that is open is closed.

    `TemsegError` where there is nothing to ask about.
    """
    from napari_temseg.engine.measure.audit.sampling import drawn

    found = with_content(items, measurements)
    sample = drawn(found) if found else None
    if sample is None:
        raise TemsegError(
            "There is nothing to audit: find particles first (step 2), and choose pictures whose lengths are in one unit under Result."
        )
    window = window_of(session.viewer)
    for before in window.findChildren(AuditDialog):
        before.close()
    dialog = AuditDialog(session, items, found, sample, window)
    dialog.show()
    dialog.raise_()
    return dialog


class AuditDialog(QDialog):
    """Not modal. What is answered is kept after every question, by the content of the pictures."""

    def __init__(self, session: Session, items: Sequence[Item], found: Sequence[Measurement], sample: Any, parent: QWidget) -> None:
        from napari_temseg.engine.measure.audit.questions import AuditQuestions
        from napari_temseg.files.audits import sample_digest

        super().__init__(parent)
        self.session, self.sample, self.digest = session, sample, sample_digest(sample)
        self.measurements = list(found)
        self.items = {measurement.image: item for measurement, item in zip(found, items, strict=True)}
        self.questions = AuditQuestions(sample)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Audit")
        self.name = QLineEdit()
        self.name.setPlaceholderText("your name")
        self.name.setAccessibleName("your name")
        self.name.setToolTip("Who judges: it stands in the report. A second person is compared with the first.")
        self.where, self.ask, self.outcome = hint(), hint(lines=2), hint()
        self.view = QuestionView()
        self.keys = {key: button(f"{key}  {text}", tip, partial(self.press, key)) for key, text, tip in _BUTTONS}
        self._lay_out()
        self.view.clicked.connect(self.click)
        self.view.pressed.connect(self.press)
        self.name.editingFinished.connect(self._named)
        session.item_changed.connect(self._item_changed)
        session.items_changed.connect(self._items_changed)
        session.closing.connect(self.close)
        session.theme_changed.connect(self._restyle)
        self._restyle()
        self._next_question()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.addWidget(row([self.name, self.where], (1, 1)))
        layout.addWidget(self.view, 1)
        layout.addWidget(self.ask)
        keys = list(self.keys.values())
        for made in keys:
            made.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # letters go on being keys
        layout.addWidget(row(keys[:3], (1, 1, 1)))
        layout.addWidget(row(keys[3:], (1, 1, 1)))
        layout.addWidget(self.outcome)
        self.resize(560, 760)

    def click(self, y: float, x: float) -> None:
        """An end of a particle, y, x in px of its picture."""
        self.questions.click(y, x)
        self._show()

    def press(self, key: str) -> None:
        """A key, or the button of that letter."""
        if self.questions.press(key):
            self._keep()
            self._next_question()
        else:
            self._show()

    def _named(self) -> None:
        """Somebody who has begun before goes on there."""
        from napari_temseg.engine.measure.audit.questions import AuditQuestions

        if self.questions.at == 0 and not self.questions.clicks:
            self.questions = AuditQuestions(self.sample, said_by(self.sample, self.name.text().strip()))
            self._next_question()
        self.view.setFocus()

    def _keep(self) -> None:
        if self.questions.decisions:
            now = datetime.now().isoformat(timespec="seconds")
            keep_answers(self.sample, self.questions.answered(self.digest, self.name.text().strip(), now))

    def _next_question(self) -> None:
        from napari_temseg.pipeline.audit.gallery import question_crop

        asked = self.questions.current
        crop = None
        if asked is not None:
            particles = self.items[asked.image].particles
            crop = None if particles is None else question_crop(asked, particles.micrograph, particles.planes())
        self.view.show_crop(crop)
        self._show()

    def _show(self) -> None:
        questions = self.questions
        asked, n = questions.current, len(self.sample.particles)
        allow(self.name, "" if questions.at == 0 and not questions.clicks else "The name is that of who answered the first question.")
        self.view.mark(questions.clicks, outlined=questions.shown)
        blind = asked is not None and questions.at < n and not questions.shown
        measured = asked is not None and (blind or questions.at >= n)
        over = "Everything is answered." if asked is None else ""
        lacks = dict.fromkeys(self.keys, over or ("" if questions.shown else _BLIND if blind else _FIELD))
        lacks |= {"N": over or ("" if measured else _JUDGED), "U": "" if questions.at > 0 else "Nothing was answered yet."}
        for key, made in self.keys.items():
            allow(made, lacks[key])
        if asked is None:
            self.where.setText(f"all {questions.count} answered")
            self.ask.setText("Everything is answered, and kept; the report takes it in.")
        elif questions.at < n:
            self.where.setText(f"particle {questions.at + 1} of {n}")
            self.ask.setText(_BLIND if blind else _JUDGED)
        else:
            self.where.setText(f"field {questions.at - n + 1} of {questions.count - n}")
            self.ask.setText(_FIELD)
        self.outcome.setText("" if questions.decisions and asked is not None else " ".join(self._said()))

    def _said(self) -> list[str]:
        """What the audits of these pictures say of what is found now."""
        from napari_temseg.engine.measure.audit.carrying import outcomes
        from napari_temseg.engine.measure.calibrated import in_shown_unit, shown_unit
        from napari_temseg.engine.measure.pooling import size_distribution
        from napari_temseg.pipeline.report.sheet import audit_words, corrected

        found = in_shown_unit(self.measurements)
        two, unit = any("population" in each.table for each in found), shown_unit(found)
        told = outcomes(audits_of(found), found, None if two else size_distribution(found))
        better = corrected(told, unit)
        more = [] if better is None else [f"D50 corrected by it: {better['value']} {better['expanded']}. {better['interval']}"]
        return [*audit_words(told, unit), *more]

    # -- what the session tells

    def _item_changed(self, item: Item, what: Change) -> None:
        if what is Change.PARTICLES and item in self.items.values():
            self._end("the particles have changed")

    def _items_changed(self) -> None:
        if any(item not in self.session.items for item in self.items.values()):
            self._end("a picture was closed")

    def _end(self, why: str) -> None:
        self.session.say(f"The audit was closed, as {why}. What is answered is kept, and holds as far as the same particles are found.")
        self.close()

    def _restyle(self) -> None:
        self.setStyleSheet(sheet(self.session.viewer))
