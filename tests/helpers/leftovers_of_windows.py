"""What a test may leave behind in Qt and napari for the tests after it."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

from leftovers import Trace
from napari.settings import get_settings
from napari.utils.notifications import notification_manager
from npe2 import PluginManager
from qtpy.QtCore import QEvent, Qt, QThreadPool, QTimer
from qtpy.QtGui import QGuiApplication
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget
from superqt.utils import GeneratorWorker

ENDING = 60_000  # ms that a thread of Qt's pool gets to end
SOON = 500  # ms
_timers: weakref.WeakKeyDictionary[QTimer, str] = weakref.WeakKeyDictionary()


def watch_timers() -> None:
    """From now on, know where every timer of ours was made."""
    make = QTimer.__init__

    def made(self: QTimer, *arguments: Any, **settings: Any) -> None:
        make(self, *arguments, **settings)
        caller = sys._getframe(1)
        module = str(caller.f_globals.get("__name__"))
        if module.startswith(("napari_temseg", "tests")):
            _timers[self] = f"{module}:{caller.f_lineno}"

    QTimer.__init__ = made


def trace_workers() -> None:
    """Before Python 3.12 only threads that Python started are seen by those who measure coverage; Qt starts ours."""
    run = GeneratorWorker.run

    def traced(self: GeneratorWorker) -> None:
        sys.settrace(threading.gettrace())
        run(self)

    GeneratorWorker.run = traced


def drain() -> None:
    """Let happen what is due, and delete what is to be deleted."""
    if QApplication.instance() is not None:
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()


def due() -> list[str]:
    """Where the timers of ours were made that go off once and soon: somebody waits for a moment's rest before he goes on."""
    return [where for timer, where in _running().items() if timer.isSingleShot() and timer.interval() <= SOON]


def hurry() -> None:
    """Nobody does anything for a while: what waits for that, in its order, happens now."""
    waiting = [timer for timer in _running() if timer.isSingleShot() and timer.interval() <= SOON]
    for timer in sorted(waiting, key=QTimer.remainingTime):
        if timer.isActive():  # not what the one before it has stopped
            timer.stop()
            timer.timeout.emit()


def settle() -> None:
    """Wait for the threads that are about to end, then drain."""
    QThreadPool.globalInstance().waitForDone(ENDING)
    drain()


def _asked(question: Callable[[], Any]) -> Callable[[], Any]:
    """Asks Qt, where there is an application."""
    return lambda: None if QApplication.instance() is None else question()


def _let_go(_: Any) -> None:
    """Release keys and buttons, as far as Qt remembers them; QTest leaves those that it pressed beside a key."""
    widget = QWidget()
    QTest.keyRelease(widget, Qt.Key.Key_Control, Qt.KeyboardModifier.NoModifier)
    QTest.mouseRelease(widget, Qt.MouseButton.LeftButton)
    widget.deleteLater()


def _name(widget: QWidget | None) -> str:
    return "" if widget is None else f"{type(widget).__name__} “{widget.windowTitle() or widget.objectName()}”"


def _windows() -> list[str]:
    return sorted(_name(widget) for widget in QApplication.topLevelWidgets() if widget.isVisible())


def _close_windows(_: Any) -> None:
    for widget in QApplication.topLevelWidgets():
        widget.hide()
        widget.deleteLater()
    drain()


def _running() -> dict[QTimer, str]:
    found = {}
    for timer, where in list(_timers.items()):
        try:
            if timer.isActive():
                found[timer] = where
        except RuntimeError:  # its C++ part is gone
            del _timers[timer]
    return found


def _stop_timers(_: Any) -> None:
    for timer in _running():
        timer.stop()


def _napari() -> dict[str, Any]:
    return {f"{part}.{name}": value for part, each in get_settings().model_dump().items() for name, value in each.items()}


def _put_napari(value: dict[str, Any]) -> None:
    for key, now in _napari().items():
        if now != value.get(key):
            part, _, name = key.partition(".")
            setattr(getattr(get_settings(), part), name, value[key])


def _plugins() -> dict[str, bool] | None:
    """Those that are known and whether they are switched off; None before napari has looked for any."""
    manager = PluginManager.instance()
    return {manifest.name: manager.is_disabled(manifest.name) for manifest in manager.iter_manifests()} or None


def _put_plugins(value: dict[str, bool]) -> None:
    manager = PluginManager.instance()
    for name, disabled in value.items():
        (manager.disable if disabled else manager.enable)(name)


def _listeners() -> list[Any]:
    """Functions that hear notifications; those of napari's own windows go with them."""
    return [each for each in notification_manager.notification_ready.callbacks if not _of_napari(each)]


def _of_napari(callback: Any) -> bool:
    owner = callback[0]() if isinstance(callback, tuple) else callback
    return owner is None or (getattr(owner, "__module__", None) or type(owner).__module__).partition(".")[0] == "napari"


def _put_listeners(value: list[Any]) -> None:
    for callback in _listeners():
        if callback not in value:
            notification_manager.notification_ready.disconnect(callback)


WINDOWS = (
    Trace("keys held down", _asked(QGuiApplication.keyboardModifiers), _let_go),
    Trace("keys held down on the screen", _asked(QGuiApplication.queryKeyboardModifiers), _let_go),
    Trace("mouse buttons", _asked(QGuiApplication.mouseButtons), _let_go),
    Trace("clipboard", _asked(lambda: QGuiApplication.clipboard().text()), lambda value: QGuiApplication.clipboard().setText(value)),
    Trace("focus", _asked(lambda: _name(QApplication.focusWidget())), lambda _: QApplication.focusWidget().clearFocus()),
    Trace("windows", _asked(_windows), _close_windows),
    Trace("cursor", _asked(lambda: QApplication.overrideCursor() is not None), lambda _: QApplication.restoreOverrideCursor()),
    Trace("style", _asked(lambda: QApplication.instance().styleSheet()), lambda value: QApplication.instance().setStyleSheet(value)),
    Trace("font", _asked(lambda: QApplication.font().toString()), lambda _: None),
    Trace("timers", _running, _stop_timers),
    Trace("threads of Qt", lambda: QThreadPool.globalInstance().activeThreadCount(), lambda _: None),
    Trace("napari's settings", _napari, _put_napari),
    Trace("plugins", _plugins, _put_plugins),
    Trace("listeners to notifications", _listeners, _put_listeners),
)
