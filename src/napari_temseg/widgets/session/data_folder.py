"""The folder of the user's own data: strokes, work, trainings and models."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def data_folder() -> Path:
    """Where everything lies that the window keeps for its user."""
    return platformdirs.user_data_path("napari-temseg", appauthor=False)
