"""What a grey control waits for, said first in its tooltip."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

NO_IMAGE = "Open an image first (step 1)."
SEARCH_FIRST = "Find particles in this image first (step 2)."
NOTHING_FOUND = "No particle was found in this image."
AXES_FIRST = "Answer first, below, what the planes of this stack are."
NOTHING_SEARCHED = "Find particles first (step 2)."
SELECT_FIRST = "Select particles first: click one, Shift and click others."
_USUAL, _TOLD = "usual tooltip", "tooltip with what it waits for"


def allow(control: QWidget, *wants: str) -> None:
    """Enable a control, or grey it where any of `wants` is not empty: the first, a sentence, stands above its usual tooltip."""
    why = next(filter(None, wants), "")
    tip = control.toolTip()
    usual = control.property(_USUAL) if tip == control.property(_TOLD) else tip  # else it has another tooltip since
    told = f"{why}\n{usual}".strip() if why else usual
    control.setProperty(_USUAL, usual)
    control.setProperty(_TOLD, told)
    control.setToolTip(told)
    control.setEnabled(not why)


def waits_for(control: QWidget) -> str:
    """What it was greyed for last, the first line of its tooltip; "" where it was not."""
    told, usual = (str(control.property(key) or "") for key in (_TOLD, _USUAL))
    return "" if told == usual or control.toolTip() != told else told.partition("\n")[0]
