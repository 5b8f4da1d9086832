"""The first control of Find: which size is meant, dragged, typed or found by itself, and whether particles are bright or dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QLineEdit, QWidget

from napari_temseg.engine.types.config import BOTH, PredictConfig, size_fields
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.results import BAND
from napari_temseg.engine.types.units import length_words, size_words, to_nanometres, typed_sizes, unit_for
from napari_temseg.widgets.find.finder import Finder
from napari_temseg.widgets.find.size_drag import MOST_DRAGS, SizeDrag
from napari_temseg.widgets.kit.forms import AUTOMATIC
from napari_temseg.widgets.kit.greyed import NO_IMAGE, allow
from napari_temseg.widgets.kit.style import button

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

SIZE_FIELDS = ("typical_size", "typical_nm", "polarity", "other_size", "other_nm", "both")
_OF_BAND = (
    "Sizes that are looked for: from a third of the one that is meant to about three times it.\n"
    "A size that is told moves to the typical one of what is found near it.\n"
    "The ends are not sharp: a sixth below the smaller one and above the larger one particles are found too, though not all."
)
_SAID = (*(name for name in SIZE_FIELDS if name != "polarity"), "exact_size")
_DECLARED = {entry.name: entry.metadata for entry in fields(PredictConfig)}


class SizeDial(QWidget):
    """Shows and edits the size and the polarity of the picture in hand; `refresh` follows it."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session, self.finder, self.drag = session, session.part(Finder), session.part(SizeDrag)
        self.field = QLineEdit()
        self.field.setAccessibleName("size of the particles")
        self.field.setToolTip(
            "The diameter of a typical particle, of a rod its width: drag across one, or type it, as 12 nm or 30 px.\n"
            "Empty: found from the picture itself. The rings show which sizes are looked for, from a third to three times it.\n"
            "Two sizes far apart, as 12 nm, 300 nm, are two populations, measured apart; both: the two that are seen."
        )
        self.across = button("Drag across one", "", self._toggle)
        self.across.setCheckable(True)
        self.across.setToolTip(
            f"Drag across one particle in the picture, from edge to edge; up to {MOST_DRAGS} where sizes differ: small, typical, large.\n"
            "It also tells whether particles are brighter or darker than what is round them. Esc ends."
        )
        self.polarity = QComboBox()
        self.polarity.addItems(_DECLARED["polarity"]["choices"])
        self.polarity.setToolTip(f"{_DECLARED['polarity']['help']}.")
        self.polarity.setAccessibleName("polarity")
        self.band = QLabel()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.setColumnStretch(1, 5)
        layout.setColumnStretch(2, 6)
        for line, (text, *parts) in enumerate((("size", self.field, self.across), ("they are", self.polarity, self.band))):
            layout.addWidget(QLabel(text), line, 0)
            for column, part in enumerate(parts, start=1):
                part.setMinimumWidth(60)
                layout.addWidget(part, line, column)
        self._before: PredictConfig | None = None  # as it was when somebody began to type
        self._wire()
        self.refresh()

    def _wire(self) -> None:
        self.field.textEdited.connect(self._typed)
        self.field.editingFinished.connect(self._finished)
        self.field.installEventFilter(self)
        self.polarity.activated.connect(lambda *_: self._edit(polarity=self.polarity.currentText()))
        self.drag.told.connect(self._dragged)
        self.drag.changed.connect(self.refresh)
        self.session.current_changed.connect(self._finished)
        self.session.jobs.changed.connect(self._put_down_for_job)
        self.session.tools_down.connect(self.drag.hide)

    # -- what people do

    def say_sizes(self, sizes: Sequence[float]) -> None:
        """The size (px) that is meant, or both, as chosen among others."""
        self._edit(**size_fields([(size, None) for size in sizes]))

    def with_polarity(self, polarity: str, size: float) -> PredictConfig:
        """What is said of the picture in hand and what particles are beside what is round them; where no size was said, that which was
        found (px) is meant."""
        told = {} if self._told(self.session.current) else size_fields([(size, None)])
        return replace(self.finder.predict, polarity=polarity, **told)

    def _toggle(self) -> None:
        if self.session.current is None:
            self.across.setChecked(False)
            raise TemsegError("No image is open: drop micrographs onto the window, or choose File ▸ Open.")
        (self.drag.put_down if self.drag.held else self.drag.take_up)()

    def _dragged(self, item: Item, widths: list[float], polarity: str) -> None:
        from napari_temseg.engine.interactive.dragged_size import told_size

        if item is not self.session.current:
            return
        size = told_size(widths)
        self._edit(**size_fields([(size, None)]), polarity=polarity)
        left = MOST_DRAGS - len(widths)
        apart = max(widths) > BAND**2 * min(widths)
        more = "Drag across a smaller and a larger one too, if sizes differ much; or find." if left else "Now find."
        wide = (
            " These are further apart than can be looked for at once: what is smaller or larger than the rings is left out. "
            "Of two populations, type both sizes."
        )
        self.session.say(f"About {self.length(item, size)}. {more}{wide if apart else ''}")
        self.drag.show(item, size)

    def _typed(self, text: str) -> None:
        item = self.session.current
        asked = text.strip().lower()
        if self._before is None:
            self._before = self.finder.config_of(item)
        if asked and BOTH.startswith(asked) and asked != BOTH:
            self._put_back()  # is being typed
            return
        try:
            both = asked == BOTH
            self._edit(**size_fields(self._read(text) if asked and not both else (), both=both))
        except TemsegError as error:
            self._put_back()
            self.session.say(str(error))
            return
        self.session.say("")
        if item is not None:
            self._show_rings(item)

    def _read(self, text: str) -> list[tuple[float | None, float | None]]:
        item = self.session.current
        calibrated = item is not None and bool(item.calibration.nanometres)
        sizes = typed_sizes(text, "nm" if calibrated else "px")
        if any(nm for _, nm in sizes) and item is not None and not calibrated:
            raise TemsegError(f"{item.name} has no pixel size, so a length says nothing of it: type the size in px, or calibrate it first.")
        if item is not None and any((px or (nm or 0.0) / item.calibration.nanometres) > 2 * max(item.frame) for px, nm in sizes):
            raise TemsegError(f"{item.name}: “{text.strip()}” is larger than the whole image; type the size of a particle.")
        if calibrated or not any(nm for _, nm in sizes):
            replace(self.finder.predict, **size_fields(sizes)).sizes_in(item.calibration.nanometres if item is not None else 0.0)
        return sizes

    def _put_back(self) -> None:
        """The text says no size: the one before it holds, not what the text began with, as the 12 of "12 nm" that is 12 px."""
        if self._before is not None:
            self._edit(**{name: getattr(self._before, name) for name in _SAID})

    def _finished(self) -> None:
        self._before = None
        self.field.setModified(False)
        self.refresh()

    def _edit(self, **told: Any) -> None:
        before = self.finder.predict
        if "other_size" in told and "exact_size" not in told and (before.other_size or before.other_nm):
            told["exact_size"] = False  # two sizes were exact as they were found, not told
        self.finder.edit(replace(before, **told), self.session.current)
        self.finder.settings_changed.emit()

    def _put_down_for_job(self) -> None:
        if self.session.jobs.running:
            self.drag.put_down()
            self.drag.hide()  # where the search was begun by its key, the line has the focus still

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  Qt's name
        """While the field is in use, the rings are on the picture."""
        if event.type() == QEvent.Type.FocusIn and (item := self.session.current) is not None:
            self._show_rings(item)
        elif event.type() == QEvent.Type.FocusOut and not self.drag.held:
            self.drag.hide()
        return False

    def _show_rings(self, item: Item) -> None:
        sizes = self._told(item) or self._found(item)
        if sizes:
            self.drag.show(item, sizes[0])
        else:
            self.drag.hide()

    # -- what is seen

    def refresh(self) -> None:
        """Follow the picture in hand."""
        item = self.session.current
        config = self.finder.config_of(item)
        told, found = self._told(item), self._found(item)
        if not self.field.isModified():  # else a number that is being typed would be rewritten
            text = BOTH if config.both else self._lengths(item, told) or self._typed_lengths(config)
            if text != self.field.text():
                self.field.setText(text)
                self.field.setCursorPosition(0)  # of what has no room the beginning is seen
        self.field.setPlaceholderText(f"auto: {', '.join(self.about(item, size) for size in found)}" if found and not told else AUTOMATIC)
        self.polarity.setCurrentText(config.polarity)
        moved = len(found) == len(told) == 1 and item is not None and self._moved(item, told[0])
        searched = found if moved else told or found
        self.band.setText(self._band(item, searched) if searched else "")
        where = f"{self.length(item, told[0])} was said; what was found near it is about {self.length(item, found[0])}.\n" if moved else ""
        self.band.setToolTip(f"{where}{_OF_BAND}")
        self.across.setChecked(self.drag.held)
        self.across.setText("Done" if self.drag.held else "Drag across one")
        for each in (self.field, self.across, self.polarity):
            allow(each, "" if item is not None else NO_IMAGE, self.session.jobs.wait)

    def focus(self) -> None:
        """The keyboard is at the size."""
        self.field.setFocus(Qt.FocusReason.OtherFocusReason)

    def is_told(self, item: Item | None) -> bool:
        """Whether somebody said the size, or sizes, of a picture."""
        return bool(self._told(item))

    def not_used(self, item: Item) -> str:
        """Where a picture was searched with a size that was said, by a model that looks for what it was taught whatever is said: that."""
        asked, said = self.finder.asked_of(item), item.prediction
        if asked is None or said is None or not said.size or said.other is not None:
            return ""
        sizes = self._sizes(asked, item)
        if len(sizes) != 1 or said.suits(sizes[0]):
            return ""
        return f"the model looks for about {self.length(item, said.size)}, which it was taught, and not for {self.length(item, sizes[0])}"

    def _told(self, item: Item | None) -> tuple[float, ...]:
        """The sizes in px that were said of a picture, () where none was, or where a length says nothing of it."""
        return self._sizes(self.finder.config_of(item), item)

    @staticmethod
    def _sizes(config: PredictConfig, item: Item | None) -> tuple[float, ...]:
        try:
            return config.sizes_in(item.calibration.nanometres if item is not None else 0.0)
        except TemsegError:
            return ()

    def _moved(self, item: Item, told: float) -> bool:
        """Whether what was found near a size that is told moved it to their own, at which they were looked for: not before that search."""
        asked, now = self.finder.asked_of(item), self.finder.config_of(item)
        if asked is not None and any(getattr(asked, name) != getattr(now, name) for name in _SAID):
            return False
        return item.prediction is not None and item.prediction.suits(told)

    @staticmethod
    def _found(item: Item | None) -> tuple[float, ...]:
        said = item.prediction if item is not None else None
        return tuple(each.size for each in (said, said and said.other) if each is not None and each.size)

    def _lengths(self, item: Item | None, sizes: Sequence[float]) -> str:
        return ", ".join((self.length if len(sizes) == 1 else self.about)(item, size) for size in sizes)

    @staticmethod
    def _typed_lengths(config: PredictConfig) -> str:
        """Lengths that were said, of a picture in which they say nothing."""
        return ", ".join(length_words(nm) for nm in (config.typical_nm, config.other_nm) if nm)

    @staticmethod
    def length(item: Item | None, pixels: float) -> str:
        """A size in px as people read it: with the unit of the picture."""
        scale = item.calibration.nanometres if item is not None else 0.0
        return size_words(pixels, scale)

    def _band(self, item: Item | None, sizes: Sequence[float]) -> str:
        """Two digits in one unit: all of it is to be read beside the polarity, and it says “about”."""
        part, unit = self._unit(item, sizes[-1] * BAND)
        return f"≈ {_two(sizes[0] / BAND / part)} to {_two(sizes[-1] * BAND / part)} {unit}"

    def about(self, item: Item | None, pixels: float) -> str:
        """A size in px in two digits and the unit of the picture, where room is short."""
        part, unit = self._unit(item, pixels)
        return f"{_two(pixels / part)} {unit}"

    @staticmethod
    def _unit(item: Item | None, pixels: float) -> tuple[float, str]:
        """How many px the unit has in which a size is told, and its name."""
        scale = item.calibration.nanometres if item is not None else 0.0
        if not scale:
            return 1.0, "px"
        unit = unit_for(pixels * scale)
        return to_nanometres(1, unit) / scale, unit


def _two(value: float) -> str:
    """Two digits, never with an exponent."""
    return f"{float(f'{value:.2g}'):.0f}" if value >= 10 else f"{value:.2g}"
