"""The dock “TEM particles”: four steps on top, the micrograph in hand, the panel of the step, and the running job at the foot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QButtonGroup,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_temseg.engine.types.progress import Progress
from napari_temseg.widgets.audit.judge import Judge
from napari_temseg.widgets.autosave.restorer import RestoreBar
from napari_temseg.widgets.canvas.folding_controls import FoldingControls
from napari_temseg.widgets.canvas.main_window import canvas_of, layer_list
from napari_temseg.widgets.canvas.plane_slider import PlaneSlider
from napari_temseg.widgets.find.panel import FindPanel
from napari_temseg.widgets.images.current_image import CurrentImage
from napari_temseg.widgets.images.opening import accept_drops
from napari_temseg.widgets.images.panel import ImagesPanel
from napari_temseg.widgets.images.planes import AxesQuestion
from napari_temseg.widgets.images.question_bar import QuestionBar
from napari_temseg.widgets.improve.panel import ImprovePanel
from napari_temseg.widgets.improve.stopped_trainings import ContinueBar
from napari_temseg.widgets.kit.brief import Brief
from napari_temseg.widgets.kit.greyed import allow
from napari_temseg.widgets.kit.greyed_focus import GreyedFocus
from napari_temseg.widgets.kit.scrolling import BAR_WIDTH, Scrolling
from napari_temseg.widgets.kit.style import Still, button, row, sheet
from napari_temseg.widgets.particles.panel import ParticlesPanel
from napari_temseg.widgets.particles.sentences import clock
from napari_temseg.widgets.session.keys import Keys, bind_brush_in
from napari_temseg.widgets.session.session import Session
from napari_temseg.widgets.session.viewer_session import session_of

if TYPE_CHECKING:
    import napari.viewer

    from napari_temseg.widgets.session.item import Item

DOCK_STEPS = (
    ("1 Images", "What is open: samples, calibration, areas to leave out.", ImagesPanel),
    ("2 Find", "Find particles with a model and separate touching ones.", FindPanel),
    ("3 Improve", "Where the model is wrong: paint, and train it.", ImprovePanel),
    ("4 Particles", "Correct, exclude, review, and the size distribution.", ParticlesPanel),
)
IMPROVE = 2
BAR_MARGIN = 12  # px within the bar that its text leaves
NEARLY = 4.0  # s that a job is about to be done, before it is said that it takes longer
STAGES = {"check": "checking the new model"}  # as the bar has it, where a word says too little
BAR_TICK = 1100  # ms between two changes of the bar where a job delivers nothing
LINES, SENTENCE_MOST = 2, 3  # room for a sentence at the foot: the panel above does not move when one comes


class Workbench(QWidget):
    """The whole dock; napari hands it its viewer."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.session: Session = session_of(viewer)
        self.setMinimumWidth(305)  # four steps whose names are not squeezed
        # Else napari adds an empty stretch below, which takes a larger part of the height with every dock that was opened before.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.steps = QButtonGroup(self)
        self.panels = QStackedWidget()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 2, 4)
        layout.setSpacing(6)
        layout.addWidget(_beside_the_bar(self._make_steps(), CurrentImage(self.session)))
        layout.addWidget(self.panels, 1)
        for _, _, panel in DOCK_STEPS:
            self.panels.addWidget(Scrolling(panel(self.session)))
        self.restore_bar = RestoreBar(self.session, self)
        self.stopped = ContinueBar(self.session, self.panel(IMPROVE).go_on, self)
        # Below the panel: what is offered and asked comes and goes, and moves no button of it.
        asked = (AxesQuestion(self.session), QuestionBar(self.session))
        told = JobBar(self.session)
        self.steps.idClicked.connect(told.leave)
        layout.addWidget(_beside_the_bar(self.restore_bar, self.stopped, *asked, told))
        self.judge = Judge(self.session)
        keys = self.session.part(Keys)
        for place in filter(None, (self, layer_list(self.session.viewer))):
            keys.also_in(place, but=("Delete",))  # closes the image, or removes the layer, that is chosen in a list
        bind_brush_in(self, self.session.viewer)
        self.focus = GreyedFocus(self, canvas_of(self.session.viewer))
        self.controls = FoldingControls(self.session.viewer)
        self.slider = PlaneSlider(self.session.viewer)
        for part in (self.controls, self.slider, self.focus):
            self.session.closing.connect(part.let_go)
        self.go(0)
        accept_drops(self, self.session)
        self.session.theme_changed.connect(self._restyle)
        self.session.step_wanted.connect(self.go)
        self.session.current_changed.connect(self._other_image)
        self._restyle()

    def _make_steps(self) -> QWidget:
        buttons = []
        for index, (text, tip, _) in enumerate(DOCK_STEPS):
            step = QPushButton(text)
            step.setCheckable(True)
            step.setToolTip(tip)
            step.setProperty("step", True)
            self.steps.addButton(step, index)
            buttons.append(step)
        self.steps.idClicked.connect(self.go)
        return row(buttons, (1,) * len(buttons))

    def go(self, index: int) -> None:
        """Show a step, 0 to 3."""
        index = min(max(index, 0), len(DOCK_STEPS) - 1)
        self.session.step = index
        if index != self.panels.currentIndex():
            self.session.put_tools_down(annotating=index == IMPROVE)
        self.steps.button(index).setChecked(True)
        self.panels.setCurrentIndex(index)
        self._to_top(index)

    def _other_image(self) -> None:
        for index in range(1, len(DOCK_STEPS)):  # in step 1 people go from image to image in a table, which stays where it is
            self._to_top(index)

    def _to_top(self, index: int) -> None:
        scroll: Any = self.panels.widget(index)
        scroll.verticalScrollBar().setValue(0)

    def panel(self, index: int) -> Any:
        """The panel of a step."""
        scroll: Any = self.panels.widget(index)
        return scroll.widget()

    def _restyle(self) -> None:
        self.setStyleSheet(sheet(self.session.viewer))


def _beside_the_bar(*parts: QWidget) -> QWidget:
    """What does not scroll, as wide as what does."""
    place = QWidget()
    layout = QVBoxLayout(place)
    layout.setContentsMargins(0, 0, BAR_WIDTH, 0)
    layout.setSpacing(6)
    for part in parts:
        layout.addWidget(part)
    return place


class JobBar(QWidget):
    """The running job: what, how far, how long yet, and the ways to end it; below it the newest sentence."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._about: Item | None = None  # the image in hand when the sentence came, and the step
        self._step = 0
        self._begun: tuple[float, float] | None = None  # seconds and fraction of the first step forward
        self._stage, self._elapsed = "", 0.0  # as last told: what, seconds
        self._rest: float | None = None  # seconds left, if known
        self._fraction, self._words = 0.0, ""  # how much of the job is done, and the newest sentence about it
        self._told = time.monotonic()
        self._late: float | None = None  # since when it is about to be done
        self._ticking = QTimer(self)
        self._ticking.setInterval(BAR_TICK)
        self._ticking.timeout.connect(self._tick)
        self.sentence = Brief(SENTENCE_MOST, "hint")
        self.sentence.keep_room(LINES)
        self.message = QLabel()
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.finish = button("Finish now", "Stop here and keep the best so far.", session.jobs.finish)
        self.cancel = button("Cancel", "Stop and discard what this job has done.", session.jobs.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(Still(self.sentence))
        layout.addWidget(self.bar)
        self.buttons = row([self.finish, self.cancel], (1, 1))
        layout.addWidget(self.buttons)
        session.said.connect(self._say)
        session.jobs.changed.connect(self.refresh)
        session.jobs.progressed.connect(self._progressed)
        session.current_changed.connect(self._other_image)
        self.refresh()

    def _say(self, text: str) -> None:
        self._about, self._step = self.session.current, self.session.step
        self.sentence.setText(text)

    def leave(self, step: int) -> None:
        """Somebody went to a step: what was said in another does not matter there."""
        if not self.session.jobs.running and self._step != step:
            self.sentence.setText("")

    def _other_image(self) -> None:
        """What was said of the image before is not of this one."""
        if not self.session.jobs.running and self._about is not self.session.current:
            self.sentence.setText("")

    def refresh(self) -> None:
        """Follow the jobs."""
        jobs = self.session.jobs
        for widget in (self.bar, self.buttons):
            widget.setVisible(jobs.running)
        self.finish.setVisible(jobs.can_finish)
        for widget in (self.finish, self.cancel):
            allow(widget, "It is stopping." if jobs.stopping else "")
        if not jobs.running:
            self._ticking.stop()
            if self._words and self.sentence.text() == self._words:  # nothing is looked for any more
                self.sentence.setText("")
        else:
            self.bar.setFormat(f"{jobs.title} …" if not jobs.stopping else "stopping …")
            self.bar.setToolTip(jobs.title)
            if not jobs.stopping:
                before = jobs.so_far or Progress("", 0.0)
                self.bar.setValue(round(1000 * before.share))
                self.sentence.setText("")
                self._begun, self._fraction, self._words, self._late = None, before.share, "", None
                self._tell(jobs.title, before.elapsed, before.rest)
                self._ticking.start()

    def _progressed(self, steps: list[Progress]) -> None:
        newest = steps[-1]
        if newest.stage != self._stage:  # it has a pace of its own
            self._begun = None
        self._fraction, self._words = newest.share, newest.message or self._words
        self._tell(newest.stage, newest.elapsed, self._left(steps))
        self._tick()
        self._ticking.start()  # anew: told with what the job delivers, not beside it, as each change has the whole window drawn

    def _tell(self, stage: str, elapsed: float, rest: float | None) -> None:
        self._stage, self._elapsed, self._rest, self._told = stage, elapsed, rest, time.monotonic()

    def _tick(self) -> None:
        """The seconds go on where a job has long nothing to tell, as while a model loads."""
        if self.session.jobs.running and not self.session.jobs.stopping:
            since = time.monotonic() - self._told
            rest = None if self._rest is None else self._rest - since
            left = "" if rest is None else f" · {clock(rest)} left" if rest >= 1 else self._overrun()
            self.bar.setUpdatesEnabled(False)  # a bar draws itself, and so the whole window, at once: here with all else that changes
            # Where it is known how long it takes, the bar goes on with the time.
            share = self._fraction if self._rest is None else (self._elapsed + since) / max(self._elapsed + max(self._rest, since), 1e-6)
            self.bar.setValue(round(1000 * min(1.0, share)))
            times = f" · {clock(self._elapsed + since)}{left}"
            room = self.bar.width() - BAR_MARGIN - self.bar.fontMetrics().horizontalAdvance(times)
            stage = self.bar.fontMetrics().elidedText(
                STAGES.get(self._stage, self._stage), Qt.TextElideMode.ElideMiddle, room
            )  # else both ends would be cut off
            self.bar.setFormat(f"{stage.replace('%', '%%')}{times}")
            if self._words:
                self.sentence.setText(self._words)
            self.bar.setUpdatesEnabled(True)

    def _overrun(self) -> str:
        """What stands in the place of the time that is left when it is over."""
        now = time.monotonic()
        self._late = now if self._late is None else self._late
        return " · nearly done" if now - self._late < NEARLY else " · longer than told"

    def _left(self, steps: list[Progress]) -> float | None:
        """Seconds left at the pace since the first step forward; what came before it, loading a model, is not repeated."""
        newest = steps[-1]
        if newest.rest is not None:  # the job knows
            return newest.rest
        if self._begun is None:
            same = (step for step in steps if step.stage == newest.stage)
            self._begun = next(((step.elapsed, step.fraction) for step in same if step.fraction > 0 and step.paced), None)
        if self._begun is None or newest.elapsed - self._begun[0] < 1 or newest.fraction <= self._begun[1] or newest.remaining is None:
            return None
        return (1 - newest.fraction) * (newest.elapsed - self._begun[0]) / (newest.fraction - self._begun[1])
