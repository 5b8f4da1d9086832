"""napari's main window and the parts of it that it keeps to itself: the one place that knows their private names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from napari.settings import get_settings
from napari.utils.theme import available_themes
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QApplication, QBoxLayout, QLabel, QWidget

THEME = "theme"  # under which it is remembered
_UNSEEN = Qt.WidgetAttribute.WA_DontShowOnScreen


def bare(viewer: Any) -> Any:
    """The viewer itself: plugins get a proxy, which refuses private names, and whose layers are never those that events carry."""
    return getattr(viewer, "__wrapped__", viewer)


def window_of(viewer: Any) -> Any:
    """napari's main window, the parent of dialogs and of what lives as long as the viewer."""
    return bare(viewer).window._qt_window


def fill_screen_at_first(viewer: Any) -> None:
    """Have the window take the whole screen, unless napari remembers the size that somebody gave it: its own has no room for the steps."""
    if get_settings().application.window_size is None:
        window_of(viewer).showMaximized()


def wear_chosen_theme(viewer: Any, remembered: Any) -> None:
    """Have the window wear what was chosen in it by napari's key, which napari forgets; one chosen in its preferences since comes first.

    `remembered` has `get` and `set`; napari's own settings are left as they are.
    """
    kept = remembered.get(THEME)
    if isinstance(kept, dict) and kept.get("preferred") == get_settings().appearance.theme and kept.get("worn") in available_themes():
        viewer.theme = kept["worn"]


def keep_chosen_theme(viewer: Any, remembered: Any) -> None:
    """Remember what the window wears now, for `wear_chosen_theme`."""
    remembered.set(THEME, {"worn": viewer.theme, "preferred": get_settings().appearance.theme})


def window_part(viewer: Any, *names: str) -> Any:
    """A part by the names that lead to it from what the window shows; None where this version of napari has none."""
    found = getattr(bare(viewer).window, "_qt_viewer", None)
    for name in names:
        found = getattr(found, name, None)
    return found


def put_in_order(viewer: Any, layer: Any) -> None:
    """Have the canvas draw a layer where it stands in the list, if it is drawn first of all and does not stand there."""
    canvas = window_part(viewer, "canvas")
    visual = getattr(canvas, "layer_to_visual", {}).get(layer)
    if visual is not None and visual.order == 0 and layer in viewer.layers and viewer.layers[0] is not layer:
        canvas._reorder_layers()


@contextmanager
def say_below(viewer: Any, sentence: str) -> Iterator[None]:
    """Say at the foot of the window what is being done, and paint the window at once: what follows keeps it from being painted."""
    below = window_of(viewer).statusBar()
    below.showMessage(sentence)
    QApplication.processEvents()
    try:
        yield
    finally:
        below.clearMessage()


def canvas_of(viewer: Any) -> QWidget | None:
    """The widget that shows the pictures, None where this version of napari has none of that name."""
    found = window_part(viewer, "canvas", "native")
    return found if isinstance(found, QWidget) else None


def layer_list(viewer: Any) -> QWidget | None:
    """The list of layers, None where this version of napari has none of that name."""
    found = window_part(viewer, "layers")
    return found if isinstance(found, QWidget) else None


def press_key(viewer: Any, key: str) -> None:
    """Have napari do what a key does over the picture, where this version of it can be told."""
    handler = window_part(viewer, "_key_map_handler")
    if handler is not None:
        handler.press_key(key)


def add_to_question(dialog: Any, sentence: str) -> None:
    """Say a sentence in napari's own question whether the window shall close; any other child of the window is left alone."""
    if type(dialog).__name__ != "ConfirmCloseDialog" or not isinstance(dialog.layout(), QBoxLayout):
        return
    told = QLabel(sentence)
    told.setWordWrap(True)
    told.setMargin(6)
    dialog.layout().insertWidget(max(dialog.layout().count() - 1, 0), told)  # above the buttons


@contextmanager
def no_stray_windows() -> Iterator[None]:
    """What napari makes inside is not seen before it has its place: controls of vectors flashed as windows of their own."""
    app, keeper = QApplication.instance(), _Keeper()
    if app is not None:
        app.installEventFilter(keeper)
    try:
        yield
    finally:
        if app is not None:
            app.removeEventFilter(keeper)
        for widget in keeper.kept:
            widget.setAttribute(_UNSEEN, False)


class _Keeper(QObject):
    """Keeps off the screen what is about to be shown without a parent; of dialogs and menus, which are windows, it knows nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[QWidget] = []

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802  Qt's name
        polished = event is not None and event.type() == QEvent.Type.Polish
        if polished and isinstance(watched, QWidget) and watched.parent() is None and watched.windowType() == Qt.WindowType.Window:
            watched.setAttribute(_UNSEEN)
            self.kept.append(watched)
        return False
