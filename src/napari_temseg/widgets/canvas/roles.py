"""What a layer that we made is for."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Stands in the layer's metadata; a micrograph has at most one layer of each."""

    ANNOTATION = "annotation"
    PROBABILITY = "probability"
    CLASSES = "classes"
    PARTICLES = "particles"
    LEFT_OUT = "left out"
    TRUTH = "truth"
    PREVIEW = "preview"
    MARKS = "marks"
    LINE = "line"
    RULER = "ruler"
    SIZE = "size"
    LENGTH = "length"
    LIVE = "live"
    UNCERTAINTY = "uncertainty"
    PLACE = "place"
    MISTAKES = "mistakes"
