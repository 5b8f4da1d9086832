"""One press each out of what a search may have got wrong: unlike pictures, two sizes, faint particles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QSizePolicy, QStackedWidget, QWidget

from napari_temseg.engine.types.config import size_fields
from napari_temseg.engine.types.results import LEAST_OFFERED
from napari_temseg.widgets.find.further_sizes import FurtherSizes, further_sizes
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.kit.style import ElidedButton, button, row
from napari_temseg.widgets.session.results.given_up import GivenUp
from napari_temseg.widgets.session.results.splitter import Splitter
from napari_temseg.widgets.session.results.verdicts import Verdicts

if TYPE_CHECKING:
    from napari_temseg.widgets.find.size_dial import SizeDial
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

_IMPROVE = 2


class WaysOut(QStackedWidget):
    """Buttons that keep their room while there is no need of them. `other_model` asks for the list of models, `as_one` says how particles
    of two sizes are to be measured."""

    other_model, as_one = Signal(), Signal(bool)

    def __init__(self, session: Session, dial: SizeDial) -> None:
        super().__init__()
        self.session, self.dial, self.splitter = session, dial, session.part(Splitter)
        self.given_up, self.verdicts = session.part(GivenUp), session.part(Verdicts)
        self.sizes = [ElidedButton("", partial(self._take_candidates, which)) for which in ([0], [1], [0, 1])]
        self.too = ElidedButton("", self._find_both)
        apart = "What was found of either size is a population with a D50, a count and shares of its own."
        as_one = "What was found is one powder that is wider than a search: one distribution with one D50."
        self.measured = {False: button("Two populations", apart, partial(self.as_one.emit, False))}
        self.measured[True] = button("One wide distribution", as_one, partial(self.as_one.emit, True))
        for made in self.measured.values():
            made.setCheckable(True)
        self.polar, self.too_polar = (button("", "", self._say_polarity) for _ in range(2))  # alone, and beside what lies further out
        self._pages = self._laid_out()
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        policy.setRetainSizeWhenHidden(True)
        self.setSizePolicy(policy)

    def _laid_out(self) -> dict[str, QWidget]:
        way = "Drag across a typical particle, then find again: the picture is looked at accordingly."
        self.first_size = button("Say the size", way, self._size)
        self.other_size = button("Say the size", "Drag across a typical particle, then find again: a third to three times it.", self._size)
        learn = "Go to step 3 and paint a few strokes where the model is wrong: Live and training learn from them."
        paint, paint_faint = button("Paint", learn, self._paint), button("Paint some", learn, self._paint)
        other = button("Another model", "Choose a model that was trained on pictures like this one.", self.other_model.emit)
        pages = {
            "unlike": row([self.first_size, paint, other], (1, 1, 1)),
            "which": row(self.sizes, (1, 1, 1)),
            "further": row([self.too, self.other_size, self.too_polar], (2, 1, 1)),
            "measured": row([*self.measured.values()], (1, 1)),
            "faint": row([self.polar, paint_faint], (2, 1)),
        }
        for page in pages.values():
            self.addWidget(page)
        return pages

    def show_for(self, item: Item | None, *, as_one: bool) -> None:
        """What the result of a picture asks for, or nothing; `as_one` is how particles of two sizes are measured."""
        further = further_sizes(item, self.given_up.of(item))
        page = self._page(item, further)
        self.setVisible(bool(page))
        self.setCurrentWidget(self._pages[page or "unlike"])
        for each, made in self.measured.items():
            made.setChecked(as_one == each)
        if item is None:
            return
        if further is not None:
            self._show_further(item, further)
        said = self.dial.is_told(item)
        self.first_size.setVisible(not (said and item.unlike))  # it was just done
        self.first_size.setText("Say another size" if said else "Say the size")
        self._show_sizes(item)
        self._show_polarity(self._polarity_of(item))

    def _polarity_of(self, item: Item) -> str:
        """What could be said of all particles of a picture that was searched, and is not said yet."""
        said = item.prediction
        open_yet = said is not None and said.size and said.other is None and self.dial.finder.config_of(item).polarity == "auto"
        return self.verdicts.polarity_of(item) if open_yet else ""

    def _show_polarity(self, polarity: str) -> None:
        self.other_size.setVisible(not polarity)  # “Drag across one” does the same
        self.too_polar.setVisible(bool(polarity))
        if not polarity:
            return
        self.polar.setText(f"They are {polarity}: find again")
        self.too_polar.setText(f"They are {polarity}")
        other = "darker" if polarity == "bright" else "brighter"
        for made in (self.polar, self.too_polar):
            made.setToolTip(
                f"All that were found are {polarity} beside what is round them. Told so, the model finds fainter ones of the same kind,\n"
                f"and nothing {other}: the picture is searched again. “They are” above takes it back."
            )

    def _page(self, item: Item | None, further: FurtherSizes | None) -> str:
        said = item.prediction if item is not None else None
        if item is None:
            return ""
        if said is not None and said.candidates:
            return "which"
        if further is not None:
            return "further"
        if item.unlike:
            return "unlike"
        if said is not None and said.other is not None:
            return "measured"
        if self._polarity_of(item):
            return "faint"
        return "unlike" if item.touched else ""

    def _show_sizes(self, item: Item) -> None:
        found = item.prediction.candidates if item.prediction is not None else ()
        self.sizes[2].setVisible(all(each.count >= LEAST_OFFERED for each in found))
        for made, each, which in zip(self.sizes, found, ("small", "large"), strict=False):
            size = self.dial.length(item, each.size)  # as the sentence above says it
            made.set_text(f"{which}: {each.count} of {size}", f"{each.count} of {self.dial.about(item, each.size)}")
            made.setToolTip(f"The {which} particles, of about {size}, are meant: find them.")
        self.sizes[2].set_text(f"both: {sum(each.count for each in found)}")
        self.sizes[2].setToolTip(
            "Both are meant: each is looked for, and measured as a population with a D50, a count and shares of its own."
        )

    def _show_further(self, item: Item, further: FurtherSizes) -> None:
        lengths = " and ".join(self.dial.length(item, float(f"{size:.2g}")) for size in further.sizes)
        measured = "two populations with a D50, a count and shares of their own"
        if further.as_one:
            measured = "one wide distribution with one D50: “Two populations” then measures them apart"
        self.too.set_text(f"Both: {lengths}", "Both sizes")
        self.too.setToolTip(
            f"Keep what is found and look beyond it: particles of about {lengths} are looked for, each size by itself,\n"
            f"and measured as {measured}."
        )

    # -- what people do

    def _size(self) -> None:
        self.dial.drag.take_up()

    def _paint(self) -> None:
        self.session.step_wanted.emit(_IMPROVE)

    def _take_candidates(self, which: Sequence[int]) -> None:
        """Particles of one of the sizes that were in question are meant, or of both: they are found."""
        item = self.session.current
        if item is not None and item.prediction is not None:
            self._find(item, size_fields([(item.prediction.candidates[index].size, None) for index in which]))

    def _find_both(self) -> None:
        """What is found now is meant, and what lies beyond it or was given up: each is looked for by itself."""
        item = self.session.current
        further = further_sizes(item, self.given_up.of(item))
        if item is not None and further is not None:
            # Where what is found is meant, it stays as it is, in the next search for both too.
            told = {**size_fields([(size, None) for size in further.sizes]), "exact_size": further.larger is not None}
            self._find(item, told, as_one=further.as_one)

    def _say_polarity(self) -> None:
        """All that were found are bright, or dark: more that are, of the same size, are found."""
        item = self.session.current
        if item is not None and item.prediction is not None and (polarity := self._polarity_of(item)):
            guarded(partial(self.dial.finder.find_meant, item, self.dial.with_polarity(polarity, item.prediction.size)))

    def _find(self, item: Item, told: dict[str, Any], *, as_one: bool | None = None) -> None:
        finder = self.dial.finder
        guarded(partial(finder.find_meant, item, replace(finder.config_of(item), **told), as_one=as_one))
