"""The window is closed while a job runs: one question, and its answer holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from leftovers_of_windows import drain
from napari.settings import get_settings
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication, QDialog, QLabel, QMessageBox

from napari_temseg.engine.types.progress import Job, Progress
from napari_temseg.widgets.jobs.closing import KEPT


class Pressed(QCloseEvent):
    """As it comes when somebody presses × at the window's corner."""

    def spontaneous(self) -> bool:
        return True


def endless() -> Any:
    def steps(control: Any) -> Any:
        while True:
            time.sleep(0.01)
            yield Progress("train", 0.1, "", control.elapsed)

    return Job(steps)


@pytest.fixture
def busy(viewer: Any, open_bench: Any, picture: Any) -> Any:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    bench.session.jobs.start("Training on grid", endless, lambda _: None, can_finish=True)
    get_settings().application.confirm_close_window = True
    yield bench
    get_settings().application.confirm_close_window = False


def answer(text: str, asked: list[str]) -> Callable[[], None]:
    """Presses that button in whatever dialog is open, and remembers what it said."""

    def press() -> None:
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, QMessageBox):
            asked.append(f"{dialog.text()} {dialog.informativeText()}")
            next(button for button in dialog.buttons() if button.text() == text).click()
        elif isinstance(dialog, QDialog):  # one of napari's
            asked.append(type(dialog).__name__)
            dialog.reject()

    return press


def press_x(window: Any, text: str) -> list[str]:
    asked: list[str] = []
    timer = QTimer()
    timer.timeout.connect(answer(text, asked))
    timer.start(50)
    QApplication.sendEvent(window, Pressed())
    drain()  # somebody else may ask too
    timer.stop()
    return asked


def test_staying_leaves_the_job_alone(busy: Any, viewer: Any, qtbot: Any) -> None:
    (question,) = press_x(viewer.window._qt_window, "Stay")
    assert "“Training on grid” is running" in question
    assert "Finish now" in question
    assert "is kept" in question
    assert busy.session.jobs.running
    assert not busy.session.jobs.stopping
    assert not busy.session.closed
    busy.session.jobs.cancel()
    qtbot.waitUntil(lambda: not busy.session.jobs.running)


def test_what_can_go_on_later_is_not_called_lost(busy: Any, viewer: Any, qtbot: Any) -> None:
    jobs = busy.session.jobs
    (question,) = press_x(viewer.window._qt_window, "Stay")
    assert "is lost" in question
    jobs.cancel()
    qtbot.waitUntil(lambda: not jobs.running)
    assert jobs.cancelled
    jobs.start("Training on grid", endless, lambda _: None, can_finish=True, lasting=True)
    assert not jobs.cancelled
    (question,) = press_x(viewer.window._qt_window, "Stay")
    assert "can go on later" in question
    assert "lost" not in question
    jobs.cancel()
    qtbot.waitUntil(lambda: not jobs.running)


def test_closing_asks_once_and_stops_the_job(busy: Any, viewer: Any, qtbot: Any) -> None:
    session, window = busy.session, viewer.window._qt_window
    window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)  # the fixture closes it once more
    assert len(press_x(window, "Stop and close")) == 1
    assert session.closed
    qtbot.waitUntil(lambda: not session.jobs.running)  # without end, unless it was told to stop
    assert not window.isVisible()


def test_napari_s_question_tells_that_the_work_is_kept(viewer: Any, open_bench: Any, adopt: Any, picture: Any) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    window, told = viewer.window._qt_window, []

    def read() -> None:
        dialog = QApplication.activeModalWidget()
        if dialog is not None:
            told.append(" ".join(label.text() for label in dialog.findChildren(QLabel)))
            dialog.reject()

    timer = QTimer()
    timer.timeout.connect(read)
    timer.start(50)
    get_settings().application.confirm_close_window = True
    QApplication.sendEvent(window, Pressed())
    adopt(bench.session, bench.session.current, picture.instances)
    QApplication.sendEvent(window, Pressed())  # the × of the window
    window.close(quit_app=True, confirm_need=True)  # Ctrl+Q
    get_settings().application.confirm_close_window = False
    timer.stop()
    assert len(told) == 3
    assert KEPT not in told[0]  # nothing was done
    assert told[1].count(KEPT) == told[2].count(KEPT) == 1
    assert not bench.session.closed
