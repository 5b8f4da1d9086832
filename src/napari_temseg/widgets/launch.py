"""`temseg gui`: napari with the dock and with micrographs open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.files.readers import checked_path

if TYPE_CHECKING:
    from napari_temseg.widgets.workbench import Workbench

_REMEDY = "install this package with its extra [qt], or PySide6 or PyQt6 into this environment"
NAME = "TEM particles"  # of plugin, widget and dock


def launch(paths: Sequence[str | Path], axes: str = "", calibration: Calibration | None = None, series: str = "") -> None:
    """Open napari with the dock and these files and folders, and stay until it is closed.

    `axes` says what the planes of stacks are, else the window asks; `calibration` replaces what the files tell; `series` names
    one of several pictures in each. `TemsegError` for a file that is not there or of an unknown format, and when no window can be opened.
    """
    for path in map(Path, paths):
        if not path.is_dir():
            checked_path(path)
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
    open_window(viewer, paths, axes, calibration, series)
    napari.run()


def open_window(
    viewer: Any, paths: Sequence[str | Path], axes: str = "", calibration: Calibration | None = None, series: str = ""
) -> Workbench:
    """Open the dock in a viewer, as the Plugins menu does, and start opening files."""
    from napari_temseg.widgets.images.opening import Opener

    bench: Workbench
    _, bench = viewer.window.add_plugin_dock_widget("napari-temseg", NAME)
    bench.session.part(Opener).open(paths, axes, calibration, (series,) if series else ())
    return bench
