"""Colours that the colour-blind tell apart (Okabe and Ito 2008), for classes and plots."""

from __future__ import annotations

VERMILION, SKY, YELLOW, PURPLE, ORANGE, BLUE, GREEN = "#D55E00", "#56B4E9", "#F0E442", "#CC79A7", "#E69F00", "#0072B2", "#009E73"
OF_POPULATION = {"small": SKY, "large": PURPLE}
OF_SAMPLES = (SKY, VERMILION, GREEN, PURPLE, ORANGE, BLUE, "#999999")  # lines that are seen on dark themes and on paper
_CLASSES = (VERMILION, SKY, YELLOW, PURPLE, GREEN, ORANGE, BLUE)

N_CLASS_COLOURS = len(_CLASSES)  # classes whose numbers differ by this look alike

# Outlines on grey pictures: all bright enough for dark ones, all coloured enough for bright ones.
OUTLINES = ("#F0E442", "#56B4E9", "#FF8C42", "#00D19A", "#FF7BAC", "#FFC20A", "#8FD3FF", "#E8602C", "#B5E853")


def class_colour(number: int) -> str:
    """The colour of class `number` (1 is the background) as "#RRGGBB"; they repeat after seven classes."""
    return _CLASSES[(number - 1) % len(_CLASSES)]
