"""Pixel sizes in words, and which of the open images one is for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox

from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.units import length_words, to_nanometres, unit_for
from napari_temseg.engine.types.wording import rounded
from napari_temseg.widgets.canvas import micrograph_layer

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

THIS, CHOSEN, FOLDER, ALL, SAME = range(5)
TYPICAL = 40  # px: diameter of the particle for which the uncertainty is told in words


def from_line(length: float, unit: str, pixels: float, outline: float = 0.0) -> Calibration:
    """The calibration that a line of `pixels` px tells; each of its ends is read to 1 px.

    Where the bar has an outline, of `outline` px, whoever drew it may have meant the middle of that: half of it at either end.
    """
    size = to_nanometres(length, unit) / pixels
    return Calibration((size, size), "scale bar", reading_uncertainty=math.hypot(math.sqrt(2), outline) / pixels)


def provenance(known: Calibration) -> str:
    """For people: pixel size, where it came from, its uncertainty, and by which standard it was corrected."""
    told = known.stated()
    if known.factor != 1 or known.standard:
        by = ", ".join(filter(None, [known.standard, known.date]))
        told += f"; with the factor {known.factor:g}" + (f" of {by}" if by else "")
    return told


def meaning(known: Calibration, pixels: float = TYPICAL) -> str:
    """What the uncertainty of a pixel size does to the size of a particle of so many `pixels` across, in words."""
    if known.pixel_size is None:
        return ""
    size = pixels * known.scale[1]
    size = float(f"{size:.1g}" if pixels == TYPICAL else f"{size:.2g}")
    if not known.uncertainty:
        told = f"How exact the pixel size is is not known: the error that it gives a {length_words(size)} particle is not in any interval."
        return f"{told} Measure a standard and give it under “correction by a standard”."
    spread = size * known.uncertainty
    unit = unit_for(size)
    spread /= to_nanometres(1, unit)
    return f"A {length_words(size)} particle: ± {rounded(spread, spread)} {unit} from calibration."


class Scope(QComboBox):
    """Which images get a pixel size: this one, the selected, those of its folder, all, or all that show the same scale bar."""

    def __init__(self, session: Session, item: Item, items: Sequence[Item]) -> None:
        super().__init__()
        self.session, self.item, self.items = session, item, list(items)
        self.setToolTip("Which images get the pixel size.")
        self.addItem(f"this image ({item.name})", THIS)
        if len(self.items) > 1:
            self.addItem(f"the {len(self.items)} selected images", CHOSEN)
        beside = len(self._beside())
        if 1 < beside < len(session.items):
            self.addItem(f"the {beside} open images of this folder", FOLDER)
        if len(session.items) > 1:
            self.addItem(f"all {len(session.items)} open images", ALL)
        self.setCurrentIndex(self.findData(CHOSEN if len(self.items) > 1 else THIS))
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    @property
    def same(self) -> bool:
        """Whether only images with the same scale bar are meant."""
        return bool(self.currentData() == SAME)

    def offer_same(self, on: bool) -> None:
        """Offer all images with the same bar, which a bar that was found makes possible."""
        place = self.findData(SAME)
        if on and place < 0 and len(self.session.items) > 1:
            self.addItem("all open images with the same bar", SAME)
        elif not on and place >= 0:
            self.removeItem(place)

    def _beside(self) -> list[Item]:
        """The open images whose files lie in the folder of this one's."""
        path = micrograph_layer.path_of(self.item.layer)
        if not path:
            return []
        return [item for item in self.session.items if (p := micrograph_layer.path_of(item.layer)) and Path(p).parent == Path(path).parent]

    def targets(self) -> list[Item]:
        """The images that get the pixel size, as far as they are still open."""
        scope = self.currentData()
        sets = {THIS: [self.item], CHOSEN: self.items, FOLDER: self._beside()}
        return [item for item in sets.get(scope, self.session.items) if item in self.session.items]


def which_edge(width: float) -> str:
    """On which edge of an outlined bar, of this `width` in px, the line lies."""
    return (
        f"The bar has an outline of {width:.1f} px, and the line ends on its inside: to its middle it is {width:.1f} px longer, "
        f"to its outside {2 * width:.1f} px. The uncertainty covers the middle."
    )
