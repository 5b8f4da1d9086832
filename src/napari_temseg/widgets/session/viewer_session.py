"""The session of a viewer, with those parts of it that nobody asks for."""

from __future__ import annotations

from typing import Any

from napari_temseg.widgets.canvas.main_window import bare, window_of
from napari_temseg.widgets.session.mixed_units import MixedUnits
from napari_temseg.widgets.session.outside_changes import OutsideChanges
from napari_temseg.widgets.session.reset_view import ResetView
from napari_temseg.widgets.session.session import Session


def session_of(viewer: Any) -> Session:
    """The session of a viewer, made at the first call; it lives as long as the viewer's window."""
    viewer = bare(viewer)
    window = window_of(viewer)
    found: Session | None = window.findChild(Session)
    if found is None or found.closed:
        found = Session(viewer, window)
        found.part(MixedUnits)
        found.part(ResetView)
        found.part(OutsideChanges)
        window.installEventFilter(found)
    return found
