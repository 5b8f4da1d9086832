"""Following the mouse on the canvas from press to release, as napari's callbacks do it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

STILL = 4.0  # px of the screen: a hand that clicks moves the mouse a little


def moves(event: Any, shown: Callable[[Any], None] | None = None) -> Generator[None, None, bool]:
    """Follow the mouse until its button is let go; whether it moved more than a hand does that clicks, which `shown` is then told."""
    start, moved = np.asarray(event.pos, float), False
    yield
    while event.type == "mouse_move":
        moved = moved or bool(np.abs(np.asarray(event.pos, float) - start).max() > STILL)
        if moved and shown is not None:
            shown(event)
        yield
    return moved
