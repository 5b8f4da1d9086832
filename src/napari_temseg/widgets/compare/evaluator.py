"""Compares models, draft labels and the particles at hand with somebody's truth, and shows where each is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.pipeline.compare import DRAFT, PRESENT, Case, Comparison, iter_compare, write_comparison
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.canvas.colours import ORANGE, SKY, VERMILION, YELLOW
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.compare.truth_files import ask_truth
from napari_temseg.widgets.find.finder import Finder
from napari_temseg.widgets.jobs.runner import complain
from napari_temseg.widgets.session import export

if TYPE_CHECKING:
    from napari.layers import Labels
    from qtpy.QtWidgets import QWidget

    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

UNTOUCHED = "particles (shipped)"
KINDS = {1: ("missed", SKY), 2: ("invented", VERMILION), 3: ("merged", YELLOW), 4: ("split", "#FF7BAC")}  # numbers of evaluation.mistakes


@dataclass(frozen=True)
class Choice:
    """Something that can be compared: its title, what `Session.segmenter` takes ("" for what is no model), and a tip."""

    title: str
    model: str
    tip: str
    likely: bool  # ticked until somebody says otherwise


class Evaluator(QObject):
    """Runs comparisons for a session. `changed` tells of a new `comparison`, whose cases are `items`.

    `truths_changed` tells that another truth was chosen, or that the file chosen last is none, which `trouble` explains.
    """

    changed = Signal()
    truths_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.comparison = Comparison()
        self.items: list[Item] = []
        self.trouble = ""
        self.chosen: dict[Item, Labels | None] = {}  # truth layers that the user chose
        self._hidden: list[Any] = []  # layers that we hid, to show mistakes in their place

    # -- what there is to compare

    def truths(self, item: Item) -> list[Labels]:
        """Layers that may be the truth of a micrograph, the likeliest first."""
        found = layers.own_labels(self.session.viewer, item.layer)
        return sorted(found, key=lambda layer: (layer is not item.made.get(Role.TRUTH), not _alike(layer.name, item.name)))

    def truth(self, item: Item) -> Labels | None:
        """The truth of a micrograph: as chosen, else the likeliest layer, unless it may belong to another image."""
        found = self.truths(item)
        if item in self.chosen:
            return self.chosen[item] if self.chosen[item] in found else None
        alone = sum(layers.shape(other.layer) == layers.shape(item.layer) for other in self.session.items) == 1
        sure = found and (alone or found[0] is item.made.get(Role.TRUTH) or _alike(found[0].name, item.name))
        return found[0] if sure else None

    def choose(self, item: Item, layer: Labels | None) -> None:
        """Take a layer as the truth of a micrograph, or none."""
        self.trouble, self.chosen[item] = "", layer
        self.truths_changed.emit()

    def ask_truth(self, item: Item, parent: QWidget) -> None:
        """Ask for a file that holds the truth of a micrograph."""
        ask_truth(self.session, parent, item, partial(self._read, item))

    def _read(self, item: Item, found: Labels | TemsegError) -> None:
        if isinstance(found, TemsegError):
            self.trouble = str(found)
            self.truths_changed.emit()
        else:
            self.choose(item, found)

    def pairs(self) -> dict[Item, Labels]:
        """Micrographs that have a truth."""
        return {item: truth for item in self.session.items if not item.asks_axes and (truth := self.truth(item)) is not None}

    def choices(self) -> list[Choice]:
        """What can be compared now, in order."""
        session, items = self.session, self.pairs()
        choices = [Choice(UNTOUCHED, "particles", "The model that ships, as it is.", True)]
        names = list(dict.fromkeys([*session.models, *session.own, session.model]))
        for name in names:
            if name != "particles":
                likely = name in session.models or name == session.model
                tip = "A model trained or opened here; images that it was trained on flatter it."
                choices.append(Choice(session.shown_name(name), name, tip, likely))
        drafts = any(item.annotation is not None for item in items)
        present = any(item.particles is not None for item in items)
        if drafts:
            choices.append(Choice(DRAFT, "", "The annotation; a random forest fills what is not painted, as Fill from strokes does.", True))
        if present:
            choices.append(Choice(PRESENT, "", "The particles in the window now, corrections by hand and all.", True))
        return choices

    # -- the job

    def compare(self, choices: Sequence[Choice], mask: bool | None = None) -> None:
        """Score the chosen results on every image that has a truth; `mask`: whether the truths tell particles apart (None: look)."""
        session, pairs = self.session, self.pairs()
        if not pairs:
            raise TemsegError("No image has a truth: choose a label image of its size in which every particle is labelled.")
        if not choices:
            raise TemsegError("Nothing is ticked: tick at least one model or result to compare.")
        titles = {choice.title for choice in choices}
        for item in pairs:
            session.settle(item)
        cases = [self._case(item, truth, titles, mask) for item, truth in pairs.items()]
        models = {choice.title: session.segmenter(choice.model) for choice in choices if choice.model}
        finder = session.part(Finder)
        predict, split = [finder.config_of(item) for item in pairs], [finder.splitter.config_of(item) for item in pairs]
        make = partial(iter_compare, cases, models, predict, split)
        title = f"Comparing with truth: {cases[0].name}" if len(cases) == 1 else f"Comparing with truth: {len(cases)} images"
        session.jobs.start(title, make, partial(self._done, list(pairs)), can_finish=True, failed=self._failed)

    def _case(self, item: Item, truth: Labels, titles: set[str], mask: bool | None) -> Case:
        draft = layers.values(item.annotation) if DRAFT in titles and item.annotation is not None else None
        present = item.particles.labels if PRESENT in titles and item.particles is not None else None
        return Case(item.name, item.micrograph(), layers.values(truth), mask, draft, present)

    def _done(self, items: list[Item], comparison: Comparison) -> None:
        self.items, self.comparison = items, comparison
        results, images = len(comparison.results), len({line.image for line in comparison.lines})
        self.session.say(f"Compared {results} result{'s' if results != 1 else ''} on {images} image{'s' if images != 1 else ''}.")
        self.changed.emit()

    def _failed(self) -> None:
        self.session.say("The comparison was stopped; an earlier one is still shown.")

    # -- where it is wrong

    def show(self, index: int, result: str) -> None:
        """Show on its image where a result is wrong, and take that image in hand."""
        kinds = self.comparison.mistakes.get((index, result))
        item = self.items[index] if index < len(self.items) else None
        if kinds is None or item not in self.session.items or item is None:
            return
        if tuple(kinds.shape) != layers.shape(item.layer):
            raise TemsegError(f"{item.name}: its pixels were replaced since; compare again.")
        if item is not self.session.current:
            self.session.set_current(item)
            self.session.reveal()
        self._clear_view(item)
        if Role.MISTAKES in item.made:
            layers.set_data(item.made[Role.MISTAKES], kinds)
            layers.set_visible(item.made[Role.MISTAKES], True)
            return
        colours: Mapping[int, str] = {number: colour for number, (_, colour) in KINDS.items()}
        name = f"{item.name} {Role.MISTAKES}"
        made = layers.add_labels(self.session.viewer, item.layer, kinds, name, Role.MISTAKES, colours=colours, opacity=0.75)
        self.session.adopt(item, Role.MISTAKES, made)

    def _clear_view(self, item: Item) -> None:
        """Hide what has the colours of mistakes without being one: strokes, and what *Live* and training draw."""
        self._restore()
        for layer in (item.annotation, item.made.get(Role.LIVE), item.made.get(Role.PREVIEW)):
            if layer is not None and layers.is_visible(layer):
                layers.set_visible(layer, False)
                self._hidden.append(layer)

    def _restore(self) -> None:
        for layer in self._hidden:
            if layer in self.session.viewer.layers:
                layers.set_visible(layer, True)
        self._hidden.clear()

    def hide(self) -> None:
        """Take the mistakes off all images, and show the strokes again."""
        self._restore()
        for item in self.session.items:
            layers.remove(self.session.viewer, item.made.get(Role.MISTAKES))

    def export(self, path: str) -> None:
        """Write the table as CSV."""
        self.session.jobs.later(partial(_written, path, self.comparison), partial(self._told, path))

    def _told(self, path: str, error: TemsegError | None) -> None:
        if error is not None:
            complain(error, "Export")
        else:
            self.session.say(f"Written: {path}.")

    def ask_and_export(self, parent: Any) -> None:
        """Ask for a file and write the table."""
        path = export.ask_file(self.session, parent, "Export the comparison", "comparison.csv", "Table (*.csv)")
        if path:
            self.export(path)


def _written(path: str, comparison: Comparison) -> TemsegError | None:
    try:
        write_comparison(path, comparison)
    except TemsegError as error:
        return error
    return None


def _alike(one: str, other: str) -> bool:
    """Whether a layer is called after another: "grid_07 truth" after "grid_07.tif"."""
    short, long = sorted((Path(one).stem.lower(), Path(other).stem.lower()), key=len)
    return bool(short) and short in long


MODEL_COLOURS = (ORANGE, SKY, "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#999999", VERMILION)


def bar_colour(number: int) -> str:
    """Colour of the bars of a result."""
    return MODEL_COLOURS[number % len(MODEL_COLOURS)]
