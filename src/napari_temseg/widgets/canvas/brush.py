"""Labels layers in the hand: brush and eraser, and what tells that they were used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Labels


def start_painting(viewer: Any, layer: Labels, number: int) -> None:
    """Brush in hand, this class selected, on one plane only."""
    viewer.layers.selection.active = layer
    layer.visible = True
    layer.n_edit_dimensions = 2
    layer.selected_label = number
    layer.mode = "paint"


def start_erasing(viewer: Any, layer: Labels) -> None:
    """Eraser in hand, on one plane only."""
    viewer.layers.selection.active = layer
    layer.visible = True
    layer.n_edit_dimensions = 2
    layer.mode = "erase"


def painted_number(layer: Labels) -> int | None:
    """Number that the brush of a layer paints, 0 for the eraser, None while no brush is in hand."""
    if layer.mode == "erase":
        return 0
    return int(layer.selected_label) if layer.mode in ("paint", "fill", "polygon") else None


def on_painted(layer: Labels, slot: Any) -> None:
    """Call `slot` when pixels may have changed: after a stroke, and, as undo and redo tell nothing else, whenever they are drawn anew."""
    for emitter in (layer.events.paint, layer.events.set_data):
        emitter.connect(slot)


def off_painted(layer: Labels, slot: Any) -> None:
    """Take back `on_painted`."""
    for emitter in (layer.events.paint, layer.events.set_data):
        emitter.disconnect(slot)


def on_stroke(layer: Labels, slot: Any) -> None:
    """Call `slot` when napari has a further stroke in the history of a layer."""
    layer.events.paint.connect(slot)


def off_stroke(layer: Labels, slot: Any) -> None:
    """Take back `on_stroke`."""
    layer.events.paint.disconnect(slot)


def on_tool(layer: Labels, slot: Any) -> None:
    """Call `slot` when another tool or another number is taken in hand."""
    for emitter in (layer.events.mode, layer.events.selected_label):
        emitter.connect(slot)


def off_tool(layer: Labels, slot: Any) -> None:
    """Take back `on_tool`."""
    for emitter in (layer.events.mode, layer.events.selected_label):
        emitter.disconnect(slot)


def size_brush(layer: Labels, frame: tuple[int, int]) -> None:
    """A brush that suits the image: 1 % of its shorter side, at least 3 px."""
    layer.brush_size = int(np.clip(round(min(frame) / 100), 3, 40))


def without_box(viewer: Any) -> None:
    """The ring of the brush has no ground of its own: napari gives it one of 8 px, and leaves that where the brush was put down."""
    ring = getattr(viewer.canvas.overlays, "_brush_circle", None)
    if ring is not None:
        ring.box = False


def has_history(layer: Labels, *, undone: bool = False) -> bool:
    """Whether napari's own undo of a layer (or its redo) has a stroke to take back (or to paint again)."""
    return bool(layer._redo_history if undone else layer._undo_history)


def history_lengths(layer: Labels) -> tuple[int, int]:
    """How many strokes napari's own undo of a layer, and its redo, could go through."""
    return len(layer._undo_history), len(layer._redo_history)


def bind_undo(layer: Labels, undo: Callable[[], Any], redo: Callable[[], Any]) -> None:
    """Ctrl+Z, Ctrl+Shift+Z and Ctrl+Y over a layer, instead of napari's own."""

    def back(layer: Labels) -> None:
        undo()

    def again(layer: Labels) -> None:
        redo()

    for keys, action in (("Control-Z", back), ("Control-Shift-Z", again), ("Control-Y", again)):
        layer.bind_key(keys, action, overwrite=True)


def forget_history(layer: Labels) -> None:
    """napari's own undo of a layer refers to pixels that are no longer there."""
    layer._reset_history()


def forget_undone(layer: Labels) -> None:
    """What was undone on a layer does not come again by napari's own redo."""
    layer._redo_history.clear()
