"""What drew a removed layer is freed in the canvas's own OpenGL context; in another one, the next drawing ended the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from qtpy.QtGui import QOffscreenSurface, QOpenGLContext


@pytest.fixture
def viewer(viewer: Any) -> Any:
    viewer.window.show()
    return viewer


@pytest.fixture
def other_context(viewer: Any, qtbot: Any) -> Iterator[Callable[[], bool]]:
    """Makes another one current, as that of the window is after a drawing."""
    context, surface = QOpenGLContext(), QOffscreenSurface()
    assert context.create()
    surface.create()
    yield lambda: context.makeCurrent(surface)
    context.doneCurrent()
    surface.destroy()


@pytest.mark.parametrize("remove", [lambda layers: layers.remove(layers[0]), lambda layers: layers.clear()], ids=["one", "all"])
def test_layers_are_freed_where_they_were_drawn(
    viewer: Any, open_bench: Any, picture: Any, qtbot: Any, other_context: Any, remove: Callable[[Any], None]
) -> None:
    open_bench(viewer)
    for name in "ab":
        viewer.add_image(picture.micrograph.data, name=name)
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.waitUntil(canvas.isValid)
    viewer.screenshot(flash=False)
    assert other_context()
    remove(viewer.layers)
    assert QOpenGLContext.currentContext() is canvas.context()
    viewer.screenshot(flash=False)
