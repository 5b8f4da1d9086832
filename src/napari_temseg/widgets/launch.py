"""`temseg gui`: napari with the dock and with micrographs open."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.files.readers import checked_path

if TYPE_CHECKING:
    from napari_temseg.widgets.workbench import Workbench

_REMEDY = "install this package with its extra [qt], or PySide6 or PyQt6 into this environment"
NAME = "TEM particles"  # of plugin, widget and dock
PICTURE_WITHIN = 15_000  # ms that the dock waits for the first picture


def launch(paths: Sequence[str | Path], axes: str = "", calibration: Calibration | None = None, series: str = "") -> None:
    """Open napari with the dock and these files and folders, and stay until it is closed.

    `axes` says what the planes of stacks are, else the window asks; `calibration` replaces what the files tell; `series` names
    one of several pictures in each. `TemsegError` for a file that is not there or of an unknown format, and when no window can be opened.
    """
    for path in map(Path, paths):
        if not path.is_dir():
            checked_path(path)
    print("Opening the window …", file=sys.stderr, flush=True)  # all that it needs is to be loaded first
    try:
        import napari
        import qtpy  # noqa: F401  raises here, and clearly, when there is no Qt binding
    except ImportError as error:
        raise TemsegError(f"The window needs napari and a Qt binding ({error}); {_REMEDY}.") from error
    except RuntimeError as error:  # qtpy's own QtBindingsNotFoundError on some versions
        raise TemsegError(f"The window needs a Qt binding ({error}); {_REMEDY}.") from error
    from napari_temseg.widgets.canvas.main_window import fill_screen_at_first

    viewer = napari.Viewer()
    fill_screen_at_first(viewer)
    if open_window(viewer, paths, axes, calibration, series) is not None:
        napari.run()


def open_window(
    viewer: Any, paths: Sequence[str | Path], axes: str = "", calibration: Calibration | None = None, series: str = ""
) -> Workbench | None:
    """Open files in a viewer, and the dock, as the Plugins menu does; None where the window was closed meanwhile.

    The dock takes seconds to make, on a busy computer half a minute: the first picture is seen before, and what is being done is said.
    """
    from napari_temseg.widgets.canvas.main_window import keep_chosen_theme, say_below, wear_chosen_theme

    with say_below(viewer, f"Opening {Path(paths[0]).name if len(paths) == 1 else 'micrographs'} …" if paths else ""):
        from napari_temseg.widgets.images.opening import Opener
        from napari_temseg.widgets.session.viewer_session import session_of

        session, said = session_of(viewer), list[str]()
        wear_chosen_theme(viewer, session.settings)
        session.theme_changed.connect(partial(keep_chosen_theme, viewer, session.settings))
        session.theme_changed.connect(partial(session.jobs.later, session.settings.save))  # a window that is killed keeps it too
        session.said.connect(said.append)
        session.part(Opener).open(paths, axes, calibration, (series,) if series else ())
        _wait(lambda: bool(session.items) or session.closed or not session.jobs.running)
    if session.closed:
        return None
    with say_below(viewer, f"Opening {NAME} …"):
        bench: Workbench
        _, bench = viewer.window.add_plugin_dock_widget("napari-temseg", NAME)
    session.said.disconnect(said.append)
    for sentence in said[-1:]:  # there was no dock yet that shows it
        session.say(sentence)
    return bench


def _wait(for_what: Callable[[], bool]) -> None:
    """Let the window live until it has come, for seconds at most."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, look, end = QEventLoop(), QTimer(), QTimer()
    look.timeout.connect(lambda: loop.quit() if for_what() else None)
    end.timeout.connect(loop.quit)
    look.start(20)
    end.start(PICTURE_WITHIN)
    loop.exec()
