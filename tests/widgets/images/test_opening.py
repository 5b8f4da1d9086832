"""Files that are opened while another picture is in hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from qtpy.QtCore import QTimer

from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.images.opening import Opener


def test_the_first_picture_is_whole_and_alone_from_its_first_moment_on(viewer: Any, open_bench: Any, qtbot: Any, tmp_path: Path) -> None:
    """Of another pixel size it would show a corner, ten times enlarged, until all files were read."""
    viewer.add_image(np.zeros((200, 200), np.uint8), name="in nm", scale=(0.14, 0.14), units=("nm", "nm"))
    session = open_bench(viewer).session
    session.reveal()
    files = [tmp_path / f"{name}.png" for name in "abc"]
    for number, path in enumerate(files):
        iio.imwrite(path, np.full((300, 400), number, np.uint8))
    seen: list[tuple[str, bool, list[str]]] = []

    def note() -> None:
        shown = [item.name for item in session.items if item.layer.visible]
        seen.append((session.current.name, layers.fits(viewer, session.current.layer, viewer.canvas.size), shown))

    session.items_changed.connect(lambda: QTimer.singleShot(0, viewer.window._qt_window, note))
    said = list[str]()
    session.said.connect(said.append)
    session.part(Opener).open(files)
    qtbot.waitUntil(lambda: any(sentence.startswith("Opened 3 images") for sentence in said) and len(seen) >= 3)
    assert set(map(str, seen)) == {str(("a", True, ["a"]))}
