"""napari's main window and the parts of it that it keeps to itself: the one place that knows their private names."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QBoxLayout, QLabel


def bare(viewer: Any) -> Any:
    """The viewer itself: plugins get a proxy, which refuses private names, and whose layers are never those that events carry."""
    return getattr(viewer, "__wrapped__", viewer)


def window_of(viewer: Any) -> Any:
    """napari's main window, the parent of dialogs and of what lives as long as the viewer."""
    return bare(viewer).window._qt_window


def window_part(viewer: Any, *names: str) -> Any:
    """A part by the names that lead to it from what the window shows; None where this version of napari has none."""
    found = getattr(bare(viewer).window, "_qt_viewer", None)
    for name in names:
        found = getattr(found, name, None)
    return found


def add_to_question(dialog: Any, sentence: str) -> None:
    """Say a sentence in napari's own question whether the window shall close; any other child of the window is left alone."""
    if type(dialog).__name__ != "ConfirmCloseDialog" or not isinstance(dialog.layout(), QBoxLayout):
        return
    told = QLabel(sentence)
    told.setWordWrap(True)
    told.setMargin(6)
    dialog.layout().insertWidget(max(dialog.layout().count() - 1, 0), told)  # above the buttons
