"""Removed layers are freed in the OpenGL context that drew them.

napari (0.9.2, `_clean_and_update_scenegraph`) has vispy free the textures and vertex buffers of a removed layer at once, in whatever
context is current. After a drawing that is the window's, not the canvas's: the canvas goes on with freed buffers, and the process
dies in `glDrawArrays`.
"""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject

from napari_temseg.widgets.canvas.main_window import window_of, window_part


class GraphicsMemory(QObject):
    """Makes the context of a viewer's canvas current before napari frees removed layers, until `let_go`."""

    def __init__(self, viewer: Any) -> None:
        super().__init__(window_of(viewer))
        canvas = window_part(viewer, "canvas")
        self._scene: Any = getattr(canvas, "_scene_canvas", None)
        self._emitters = [viewer.layers.events.removed]
        if hasattr(viewer.layers.events, "end_batch"):  # of napari 0.9: those of `layers.clear()` are freed when all are gone
            self._emitters.append(viewer.layers.events.end_batch)
        for emitter in self._emitters:
            emitter.connect(self._make_current, position="first")  # before napari's own slot

    def let_go(self) -> None:
        """Leave it to napari."""
        for emitter in self._emitters:
            emitter.disconnect(self._make_current)
        self._scene = None

    def _make_current(self, event: Any = None) -> None:
        if self._scene is not None:
            self._scene.set_current()
