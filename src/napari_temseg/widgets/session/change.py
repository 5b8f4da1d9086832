"""What may change about a micrograph in the viewer: the second word of `Session.item_changed`."""

from __future__ import annotations

from enum import Enum, auto

from napari_temseg.widgets.canvas.roles import Role


class Change(Enum):
    """One thing about an item that listeners may care for."""

    AXES = auto()  # what its planes are
    CALIBRATION = auto()
    SAMPLE = auto()
    NAME = auto()
    PIXELS = auto()  # they were replaced
    IGNORED = auto()  # left out of “all images”, or taken in again
    SHOWN = auto()  # it was brought into view, or what is said of it may be another
    VEILED = auto()  # a live answer is on the screen in the place of its particles, or is no more
    ANNOTATION = auto()  # the layer of strokes came or went
    TRUTH = auto()  # the layer of instances came or went
    LEFT_OUT = auto()  # areas where nobody shall look
    SEARCH = auto()  # what is said of it for its search, such as the size that is meant
    PREDICTION = auto()
    PARTICLES = auto()  # pixels and table
    TABLE = auto()  # exclusions alone
    REVIEW = auto()
    DOUBTS = auto()  # which particles look like two, and which pieces like one, is known
    OTHER_SPLITS = auto()  # what other settings of the splitting give is known
    PREVIEW = auto()  # the user removed the layer of that name, as those below
    LIVE = auto()
    UNCERTAINTY = auto()
    OTHER_LAYER = auto()


_BY_ROLE = {
    Role.ANNOTATION: Change.ANNOTATION,
    Role.TRUTH: Change.TRUTH,
    Role.LEFT_OUT: Change.LEFT_OUT,
    Role.PARTICLES: Change.PARTICLES,
    Role.PREVIEW: Change.PREVIEW,
    Role.LIVE: Change.LIVE,
    Role.UNCERTAINTY: Change.UNCERTAINTY,
}


def layer_removed(role: Role) -> Change:
    """What changed when the user removed a layer of that role."""
    return _BY_ROLE.get(role, Change.OTHER_LAYER)
