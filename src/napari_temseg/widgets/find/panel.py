"""Step 2: choose a model, find particles in this image or in all, and separate touching ones while looking at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.units import length_words
from napari_temseg.engine.types.wording import larger_seen
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.find.find_key import FindKey
from napari_temseg.widgets.find.finder import Finder
from napari_temseg.widgets.find.further_sizes import further_sizes
from napari_temseg.widgets.find.model_choice import ModelRow
from napari_temseg.widgets.find.size_dial import SIZE_FIELDS, SizeDial
from napari_temseg.widgets.find.ways_out import WaysOut
from napari_temseg.widgets.kit.brief import Brief, spare_lines
from napari_temseg.widgets.kit.forms import ConfigForm, folded
from napari_temseg.widgets.kit.greyed import AXES_FIRST, NO_IMAGE, NOTHING_FOUND, SEARCH_FIRST, allow
from napari_temseg.widgets.kit.style import button, highlight, hint, row, separator
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.results.doubtful import Doubtful
from napari_temseg.widgets.session.results.given_up import GivenUp
from napari_temseg.widgets.session.results.result_layers import want_map
from napari_temseg.widgets.session.results.splitter import Splitter, automatic_certainty
from napari_temseg.widgets.session.results.verdicts import Verdicts
from napari_temseg.widgets.session.results.wording import details, found_by_another, in_doubt, none_left, of_both, raised

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

FOLDED_SPLITTING = "more on splitting"
SENTENCE_LINES, USABLE_LINES, DOUBT_LINES = 3, 2, 2  # room for the sentences on the result: what is below does not move for longer ones
MORE_SENTENCE, MORE_USABLE = 2, 1  # lines more of the first two, at most, on a higher screen
_SHOWN = ((Role.PARTICLES, "outlines"), (Role.PROBABILITY, "probability"), (Role.CLASSES, "classes"))
_PARTICLES = 3


class FindPanel(QWidget):
    """Model, search, split controls."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session, self.finder, self.splitter = session, session.part(Finder), session.part(Splitter)
        self.doubtful, self.given_up = session.part(Doubtful), session.part(GivenUp)
        self.models = ModelRow(session)
        self.model = self.models.box
        self.one = button("Find particles", "Find particles in this image or stack (F8).", self._find_one)
        self.all = button("In all images", "Find particles in every open image that is not left out, one after another.", self._find_all)
        self.split = ConfigForm(self.splitter.config, fold=FOLDED_SPLITTING, first=("strength", "min_diameter"))
        self.dial = SizeDial(session)
        self.predict = ConfigForm(self.finder.predict, without=SIZE_FIELDS, fold="tiles and device")
        self.note, self.details = Brief(SENTENCE_LINES, "hint"), hint()
        self.verdicts, self.verdict = session.part(Verdicts), Brief(USABLE_LINES, "warning")
        self._spare = -1
        self._fit_sentences()
        self.ways = WaysOut(session, self.dial)
        self.doubt = Brief(DOUBT_LINES, "hint")
        self.doubt.keep_room(DOUBT_LINES)
        self.raises = button(
            "Split more",
            "Raise Splitting: split all particles just strongly enough that those that look like two come apart.\n"
            "Others come apart with them: how many is told. Where it is many, Go through instead.",
            self._raise,
        )
        self.lowers = button(
            "Split less", "Lower Splitting: split just weakly enough that pieces that look like one stay together.", self._lower
        )
        self.through = button(
            "Go through",
            "Step 4, led from one that is in doubt to the next, first where the picture shows a clear seam (N).",
            self._go_through,
        )
        self.everywhere = button(
            "Use for all images",
            "The settings of this image are for all: searched ones are split so now, the others are searched with the same typical size.",
            self.finder.use_for_all,
        )
        self.shown = {role: QCheckBox(text) for role, text in _SHOWN}
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(120)
        self._delay.timeout.connect(self._resplit)
        self._edited: Item | None = None  # whose split the user changes
        self._lay_out()
        self._wire()
        self.key = FindKey(session, self)
        self.refresh()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """A higher window has room for more of the sentences."""
        super().resizeEvent(event)
        self._fit_sentences()

    def _fit_sentences(self) -> None:
        if (spare := spare_lines(self)) != self._spare:
            self._spare = spare
            for each, least, more in ((self.note, SENTENCE_LINES, MORE_SENTENCE), (self.verdict, USABLE_LINES, MORE_USABLE)):
                each.keep_to(least + min(spare, more))
                each.keep_room(least + min(spare, more))

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)  # that it fits into 1280 × 800 while a job runs and kept work is offered too
        self.more = folded("details of this result", "How the result shown came about.")
        self.more.addWidget(self.details)
        self.more.collapse(animate=False)
        for widget in (
            self.dial,
            self.models,
            row([self.one, self.all], (1, 1)),
            self.models.everywhere,
            self.note,
            self.verdict,
            self.ways,
            separator(),
            self.split,
            self.doubt,
            row([self.raises, self.lowers, self.through], (1, 1, 1)),
            row(list(self.shown.values()), (1, 1, 1)),
            self.everywhere,
            self.split.fold,
            self.predict,
            self.more,
        ):
            layout.addWidget(widget)
        layout.addStretch(1)

    def _wire(self) -> None:
        session = self.session
        for signal in (session.items_changed, session.current_changed, session.models_changed, session.jobs.changed):
            signal.connect(self.refresh)
        session.item_changed.connect(self._item_changed)
        session.current_changed.connect(self._show_settings)
        self.finder.settings_changed.connect(self._show_settings)
        self.doubtful.changed.connect(self._show_doubts)
        self.ways.other_model.connect(self.model.showPopup)
        self.ways.as_one.connect(self._measure)
        self.verdicts.changed.connect(self._show_verdict)
        self.split.changed.connect(self._split_edited)
        self.splitter.given_up.connect(self.refresh)
        self.predict.changed.connect(self._predict_edited)
        for form in (self.split, self.predict):
            form.complained.connect(session.say)
        for role, box in self.shown.items():
            box.setToolTip(f"Show or hide the {box.text()} of this image.")
            box.clicked.connect(lambda on, role=role: self._show(role, on))

    def _raise(self) -> None:
        doubts, item = self.doubtful.of(self.session.current), self.session.current
        if doubts is not None and item is not None:
            strength = min(1.0, float(np.ceil(100 * doubts.strength()) / 100))
            self.split.fields["strength"].value = strength
            self.session.say(f"{item.name}: {raised(doubts, strength)}")

    def _lower(self) -> None:
        doubts = self.doubtful.of(self.session.current)
        if doubts is not None and doubts.one:
            self.split.fields["strength"].value = max(0.0, np.floor(100 * min(doubts.one.values())) / 100 - 0.01)

    def _go_through(self) -> None:
        self.session.step_wanted.emit(_PARTICLES)
        self.doubtful.wanted.emit()

    def _show_verdict(self) -> None:
        self.verdict.setText(self.verdicts.of(self.session.current))
        self._show_ways()

    def _show_ways(self) -> None:
        self.ways.show_for(self.session.current, as_one=self.split.value().as_one)

    def _show_doubts(self) -> None:
        item = self.session.current
        doubts = self.doubtful.of(item)
        two, one = (len(doubts.two), len(doubts.one)) if doubts is not None else (0, 0)
        total = len(item.particles) if item is not None and item.particles is not None else 0
        parts = in_doubt(doubts, total) if doubts is not None else []
        known = self.doubtful.known(item) if item is not None and total else None
        nothing = none_left(doubts, known) if doubts is not None and known is not None else ""
        searched = item is not None and item.prediction is not None
        origin = item.particles.origin if item is not None and item.particles is not None and not searched else None
        put_back = origin is not None
        if origin is not None and origin.doubts is None:  # outlines alone would tell other numbers than the search did
            two = one = 0
            parts, nothing = [], "What looks like two or like one, and Split more and less, work after a new search."
        again = "" if searched else " Split more and less work after a new search: this result was put back without what the model saw."
        self.doubt.setText(f"{'; '.join(parts)}.{again}" if parts else nothing)
        kept = "This result was put back as it was kept, without what the model saw." if put_back else ""
        self.doubt.setToolTip("\n\n".join(filter(None, (self.doubt.text(), kept))))
        apart = doubts is not None and any(value < 1 for value in doubts.two.values())
        none = "" if total else NOTHING_FOUND if item is not None and item.particles is not None else SEARCH_FIRST
        blind = "" if searched else "Works after a new search: this result was put back without what the model saw."
        looks = "" if doubts is not None else "Waits until it is known which particles look like two."
        seams = "" if apart else "No particle here looks like two that a higher Splitting would part."
        allow(self.raises, none, blind, looks, seams)
        allow(self.lowers, none, blind, looks, "" if one else "No pieces here look like one particle.")
        allow(self.through, none, looks, "" if two + one else nothing or "Nothing here is in doubt.")

    def _measure(self, as_one: bool) -> None:
        """What was found of two sizes is one distribution, or two populations."""
        self.split.fields["as_one"].value = as_one
        self._show_ways()

    def _find_one(self) -> None:
        item = self.session.current
        if item is None:
            raise TemsegError("No image is open: drop micrographs onto the window, or choose File ▸ Open.")
        self.finder.find([item])

    def _find_all(self) -> None:
        asking = next((item for item in self._searchable() if item.asks_axes), None)
        if asking is None:
            self.finder.find_rest(self._searchable())
            return
        self.session.set_current(asking)  # with it comes the question, whose answers are buttons
        self.session.reveal()
        self.session.say("Answer this first, then find in all images: until then it is not known what a plane counts as.")

    def _searchable(self) -> list[Item]:
        return [item for item in self.session.items if not item.ignored]

    def _split_edited(self, config: Any) -> None:
        self._edited = self.session.current
        self.splitter.edit(config, self._edited)
        self._show_smallest()
        self._delay.start()
        self.note.setText(self._sentence(self._edited))

    def _predict_edited(self, config: Any) -> None:
        self.finder.edit(config, self.session.current)

    def _resplit(self) -> None:
        item = self._edited
        if item is not None and item in self.session.items and item.prediction is not None:
            self.session.settle(item)
            self.splitter.resplit(item)

    def _show(self, role: Role, on: bool) -> None:
        item = self.session.current
        if item is None:
            return
        if on:
            want_map(self.session, item, role)
        if role in item.made:
            layers.set_visible(item.made[role], on)

    def _item_changed(self, item: Item, what: Change) -> None:
        if item is not self.session.current:
            return
        self.refresh()
        if what == Change.CALIBRATION:
            self._show_smallest()
        if what in (Change.PARTICLES, Change.PREDICTION) and not self._delay.isActive():  # else what the user changes is about to be split
            self._show_settings()

    def refresh(self) -> None:
        """Follow the session."""
        session, item = self.session, self.session.current
        ready = item is not None and not item.asks_axes
        allow(self.one, NO_IMAGE if item is None else "" if ready else AXES_FIRST, session.jobs.wait)
        many = len(self._searchable())
        allow(self.all, "" if session.items else NO_IMAGE, "" if many else "All images are left out (step 1).", session.jobs.wait)
        self.all.setText(f"In all {many} images" if many > 1 else "In all images")
        highlight(self.one, ready and item is not None and item.particles is None)
        for role, box in self.shown.items():
            layer = item.made.get(role) if item is not None else None
            there = layer is not None or (role is not Role.PARTICLES and item is not None and item.prediction is not None)
            blind = item is not None and item.particles is not None
            allow(box, "" if there else "Comes with a new search: this result was kept without it." if blind else SEARCH_FIRST)
            box.setChecked(layer is not None and bool(layer.visible))
        self.note.setText(self._sentence(item))
        self._show_doubts()
        self._show_verdict()
        self.dial.refresh()
        told = details(item) if item is not None else ""
        self.details.setText(told or "Nothing was searched in this image yet.")
        self.note.setToolTip("\n\n".join(filter(None, (self.note.text(), told))))
        several = "" if len(session.items) > 1 else "Open more images first (step 1)."
        allow(self.everywhere, NO_IMAGE if item is None else several, session.jobs.wait)

    def _show_settings(self) -> None:
        """The split controls tell how the image in hand was split, or how it will be."""
        if self._delay.isActive():  # changed a moment ago, for the image that was in hand
            self._delay.stop()
            self._resplit()
        item = self.session.current
        config = self.splitter.follow(item)
        if config != self.split.value():  # else a number that is being typed would be rewritten
            self.split.set_value(config)
        if (predict := self.finder.config_of(item)) != self.predict.value():
            self.predict.set_value(predict)
        self.dial.refresh()
        self.split.say_automatic("certainty", automatic_certainty(item))
        self._show_smallest()

    def _show_smallest(self) -> None:
        """The smallest size in nm too, where that is known; the settings keep px."""
        field, item = self.split.fields["min_diameter"], self.session.current
        nm = item.calibration.nanometres if item is not None else 0.0
        suffix = f" = {length_words(float(field.value) * nm)}" if nm else ""
        if field.native.suffix() != suffix:
            field.native.setSuffix(suffix)

    def _sentence(self, item: Item | None) -> str:
        if item is None:
            return "Waits for an image: drop micrographs onto the window, or choose File ▸ Open."
        if item.asks_axes:
            return "Waits to know what the planes of this stack are (below)."
        if item.particles is None:
            return "Nothing was searched in this image yet."
        if item.prediction is not None and ((item is self._edited and self._delay.isActive()) or self.splitter.splits(item)):
            return "Splitting again …"  # at once, where the numbers stand that are to change
        n, unsure = len(item.particles), item.particles.uncertain
        text = f"{n} particle{'s' if n != 1 else ''}{of_both(item)}"
        if unsure:
            are, them = ("are", "them") if unsure != 1 else ("is", "it")
            text += f"; {unsure} more {are} unsure and left out (Certainty 0, under “{FOLDED_SPLITTING}”, keeps {them})"
        if model := found_by_another(self.session, item):
            text += f", found by “{model}”, not by the model in use"
        if otherwise := self.dial.not_used(item):
            text += f"; {otherwise}"
        told = [each.removeprefix(f"{item.name}: ").removeprefix(f"{item.name} is ") for each in self._without_ways(item)]  # stands above
        sentences = [f"{text}.", *(f"{each[:1].upper()}{each[1:]}" for each in told if each)]
        if item.asked:  # first of all, as what is shown hangs on it
            sentences.insert(0, sentences.pop(1))
        return " ".join(sentences)

    def _without_ways(self, item: Item) -> list[str]:
        """What is to be known of a result; the ways out are the buttons below it, and not told twice."""
        touched = item.touched.removesuffix(" Say another size to see what lies there.")
        if item.asked:
            return [f"{item.asked.rpartition('? ')[0]}?", touched]
        if item.two_heaps:
            touched = item.two_heaps
        if (lost := self.given_up.of(item)) is not None:
            what, end = ("small", "from") if lost.smaller else ("large", "up to")
            touched = (
                f"{lost.count} {what} ones that were found before are not any more, as sizes {end} about "
                f"{self.dial.length(item, lost.end)} are looked for now."
            )
        further = further_sizes(item, self.given_up.of(item))
        if further is not None and further.larger is not None:
            touched = larger_seen(further.larger, self.dial.about(item, further.larger.size))
        if item.unlike:
            ways = "" if further is not None else ", or take one of the ways below"
            return [touched, f"{item.unlike.rpartition(': ')[0]}: check them{ways}."]
        return [touched]
