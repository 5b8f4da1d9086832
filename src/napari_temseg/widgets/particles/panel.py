"""Step 4: correct, exclude and review particles; colours; below them the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QPushButton, QVBoxLayout, QWidget

from napari_temseg.widgets.audit.dialog import open_audit
from napari_temseg.widgets.canvas import brush
from napari_temseg.widgets.find.finder import Finder
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.kit.brief import Brief
from napari_temseg.widgets.kit.greyed import NOTHING_SEARCHED, SELECT_FIRST, allow
from napari_temseg.widgets.kit.style import ElidedButton, button, highlight, hint, row, separator, set_role
from napari_temseg.widgets.particles.colour_box import ColourBox
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.particles.distribution_dock import DistributionOpener
from napari_temseg.widgets.particles.exclusion import ReasonMenu
from napari_temseg.widgets.particles.marks import Marks, centre
from napari_temseg.widgets.particles.pooling import Pool
from napari_temseg.widgets.particles.result_box import ResultBox
from napari_temseg.widgets.particles.review import next_unreviewed
from napari_temseg.widgets.particles.sentences import partner, selected, waiting
from napari_temseg.widgets.particles.tools.brush_row import BrushRow
from napari_temseg.widgets.particles.tools.pointer import Pointer, Tool
from napari_temseg.widgets.particles.tools.redrawing import Redrawing
from napari_temseg.widgets.particles.tools.refusal import Refusal
from napari_temseg.widgets.particles.tools.taken_by_key import TakenByKey
from napari_temseg.widgets.particles.tools.undo_keys import UndoKeys
from napari_temseg.widgets.session.keys import Actions, Keys, bind_in
from napari_temseg.widgets.session.results.doubtful import Doubtful

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

_STEP = 3
NOTE_AT_TOP = 3  # lines; the rest of a longer sentence comes by “more”


class ParticlesPanel(QWidget):
    """Corrections, exclusions, review, and what the particles say together."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session, self.corrector, self.pool = session, session.part(Corrector), session.part(Pool)
        self.opener, self.marks = session.part(DistributionOpener), session.part(Marks)
        self.pointer, self.doubtful, self.refusal = session.part(Pointer), session.part(Doubtful), session.part(Refusal)
        self.redrawing, self.undo_keys, self.by_key = session.part(Redrawing), session.part(UndoKeys), session.part(TakenByKey)
        self._tools: dict[Tool, QPushButton] = {}
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self.refresh)
        self._led: int | None = None  # the particle that Next went to
        self._left: list[tuple[int, bool]] = []  # those that Next left in this picture, and whether it marked them
        self._told = False  # that Next marks what it leaves
        self._make()
        self.refusal.seen = lambda: not self.note.visibleRegion().isEmpty()
        self._lay_out()
        self._wire()
        self.refresh()

    def _make(self) -> None:
        corrector, drawing, tried = self.corrector, self.redrawing, self.refusal.tried
        self.note = Brief(NOTE_AT_TOP, "hint")
        self.note.keep_room(NOTE_AT_TOP)
        self.merge = button(
            "Merge",
            "Make the selected particles one (J), or one that looks like a piece and its partner. Shift and click selects several.",
            tried(self._merge),
        )
        self.split = self._tool(
            "Split", "Every line drawn across a particle cuts it, and a click on two centres in one parts it (K); Esc ends.", Tool.SPLIT
        )
        self.these = button(
            "Split these",
            "Split each selected particle where it is narrowest, whatever strength that takes (Shift+K). One step for Undo.",
            tried(corrector.split_these),
        )
        self.add = self._tool(
            "Add",
            "Click a particle that was missed: it is outlined by itself. Or drag across it, from edge to edge (A). Esc ends.",
            Tool.ADD,
        )
        self.lasso = self._tool("Lasso", "Draw round particles to select them all (D); Shift adds. Esc ends.", Tool.LASSO)
        self.box = self._tool("Box", "Drag a box over particles to select them all (R); Shift adds. Esc ends.", Tool.BOX)
        self.likewise = self._tool(
            "Likewise",
            "Delete what is no particle in one part of the image, then drag a box round that part: "
            "what looks like it elsewhere is selected, for Delete or Exclude. It judges best where good particles are left in the box. "
            "Shift adds a box; Esc ends.",
            Tool.LIKEWISE,
        )
        self.delete = button("Delete", "Turn the selected particles into background (Delete key).", tried(corrector.delete))
        self.redraw = button(
            "Redraw",
            "Paint on the selected particle with brush and eraser (W), or trace its outline: what that encloses is filled at the end. "
            "Other particles are safe. Esc ends.",
            tried(drawing.redraw),
        )
        self.new = button(
            "Draw new",
            "Draw the outline of a particle that was not found, by a drag or corner by corner (Q). Esc ends.",
            tried(drawing.draw_new),
        )
        for tool in (self.redraw, self.new):
            tool.setCheckable(True)
        self.undo = ElidedButton("Undo", tried(self.undo_keys.undo_of_picture))
        self.redo = ElidedButton("Redo", tried(self.undo_keys.redo_of_picture))
        self.exclude = button(
            "Exclude…", "Leave the selected particles out of table statistics and distribution, for a reason (H).", tried(self._ask_reason)
        )
        self.include = button("Count again", "Take excluded particles back into the distribution.", tried(partial(corrector.exclude, "")))
        self.reasons = ReasonMenu(self, self._exclude)
        self.next = button(
            "Next unreviewed",
            "Mark the one selected particle as reviewed and go to the next (N): those that look like two or like a piece first. "
            "Shift+N goes back to the one before, which counts as not reviewed again.",
            tried(self._next),
        )
        self.reviewed = QCheckBox("image reviewed")
        self.reviewed.setToolTip("Mark this image as reviewed, with all its particles. Can be undone.")
        self.progress = hint()
        self.brush = BrushRow()
        self.colours = ColourBox(self.session, self.brush)
        self.result = ResultBox(self.session, self.corrector, self.pool, self.opener)
        self.audit = button("Audit…", "Judge 100 of the particles and 20 fields, blind and by keys.", self._audit)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        groups: Sequence[QWidget] = (
            self.note,
            row([self.split, self.these, self.merge], (1, 1, 1)),
            row([self.add, self.redraw, self.new], (1, 1, 1)),
            row([self.lasso, self.box, self.delete], (1, 1, 1)),
            row([self.exclude, self.include, self.likewise], (1, 1, 1)),
            row([self.undo, self.redo], (1, 0)),
            row([self.next, self.audit], (1, 0)),
            row([self.progress, self.reviewed], (1, 0)),
            self.colours,
            separator(),
            self.result,
        )
        for widget in groups:
            layout.addWidget(widget)
        layout.addStretch(1)

    def _wire(self) -> None:
        session, corrector = self.session, self.corrector
        for signal in (
            session.items_changed,
            session.current_changed,
            session.jobs.changed,
            session.selection_changed,
            session.item_changed,
        ):
            signal.connect(self._soon)
        session.current_changed.connect(self._forget_led)
        for signal in (self.pool.distribution_changed, self.pool.table_changed, self.refusal.changed, self.undo_keys.changed):
            signal.connect(self._soon)
        self.pointer.tool_changed.connect(self._show_tool)
        self.pointer.tool_changed.connect(self._soon)
        self.doubtful.changed.connect(self._soon)
        self.doubtful.wanted.connect(self._lead)
        self.reviewed.clicked.connect(self._review_all)
        self._tooled: Any = None
        keys: Actions = {
            "J": self._merge,
            "K": partial(self.pointer.toggle, Tool.SPLIT),
            "Shift-K": corrector.split_these,
            "A": partial(self.pointer.toggle, Tool.ADD),
            "D": partial(self.pointer.toggle, Tool.LASSO),  # L and B are napari's on a Labels layer
            "R": partial(self.pointer.toggle, Tool.BOX),
            "Delete": corrector.delete,
            "W": self.redrawing.redraw,
            "Q": self.redrawing.draw_new,
            "H": self._ask_reason,
            "U": self.undo_keys.undo,
            "Shift-U": self.undo_keys.redo,
            "N": self._next_by_key,
            "Shift-N": self._previous,
        }
        held = {"K": self.split, "A": self.add, "D": self.lasso, "R": self.box, "W": self.redraw, "Q": self.new}
        keys |= {key: partial(self._by_key, key, made, keys[key]) for key, made in held.items()}
        keys = {key: self.refusal.tried(action) for key, action in keys.items()}
        session.part(Keys).use(keys)
        bind_in(self, {"Delete": keys["Delete"]})  # in the lists of images and of layers that key is theirs

    # -- what the user does

    def _tool(self, text: str, tip: str, tool: Tool) -> QPushButton:
        """A button that takes a tool in hand, or puts it down."""

        def taken() -> None:
            try:
                self.pointer.toggle(tool)
            finally:
                self._show_tool()

        made = button(text, tip, taken)
        made.setCheckable(True)
        self._tools[tool] = made
        return made

    def _by_key(self, key: str, made: QPushButton, action: Callable[[], Any]) -> None:
        action()
        self._show_tool()
        item = self.session.current
        self._follow_tool(item.particles_layer if item is not None else None)
        self.by_key.tell(key, made)

    def _show_tool(self) -> None:
        for tool, made in self._tools.items():
            made.setChecked(tool is self.pointer.tool)

    def _lead(self) -> None:
        """Through those in doubt, from the first on."""
        self.session.select([])
        self._led = None
        guarded(self._next)

    def _ask_reason(self) -> None:
        self.corrector.picked("exclude")
        self.reasons.popup(self.exclude.mapToGlobal(self.exclude.rect().bottomLeft()))

    def _exclude(self, reason: str) -> None:
        guarded(self.refusal.tried(partial(self.corrector.exclude, reason)))

    def _next(self) -> None:
        item, session = self.corrector.measured_item(), self.session
        session.settle(item)
        # Whatever else is selected, by a drag over the histogram say, nobody looked at one by one.
        led = self._led if self._led in session.selected else None
        looked_at = session.selected if len(session.selected) == 1 else frozenset() if led is None else {led}
        if looked_at:
            self._leave(item, *looked_at)
        doubts = self.doubtful.of(item)
        self._led = number = next_unreviewed(item, (), doubts.order if doubts is not None else ())
        if number is None:
            session.say(f"{item.name}: every particle is reviewed.")
            session.select([])
            return
        session.select([number])
        centre(session, item, number, judged=True)

    def _leave(self, item: Item, number: int) -> None:
        """Next takes what it leaves as reviewed, and says so once."""
        self._left.append((number, number not in self.corrector.reviewed(item)))
        self.corrector.mark_reviewed(item, {number})
        if not self._told:
            self._told = True
            self.session.say(f"{item.name}: particle {number} counts as reviewed, as each that Next leaves does; Shift+N goes back to it.")

    def _previous(self) -> None:
        """Back to the particle that Next left last and that is still there; it has to be looked at again."""
        item, session = self.corrector.measured_item(), self.session
        session.settle(item)
        self._left = [left for left in self._left if left[0] in item.found_particles().table.index]
        if self._left:
            number, marked = self._left.pop()
            self._led = number
            self.corrector.mark_reviewed(item, {number} if marked else (), on=False)
            session.select([number])
            centre(session, item, number, judged=True)
        else:
            session.say(f"{item.name}: Next (N) has left no particle to go back to.")

    def _merge(self) -> None:
        """Of one particle that looks like a piece, with the other that it looks like one with."""
        if (other := self._partner()) is not None:
            self.session.select([*self.session.selected, other])
        self.corrector.merge()

    def _partner(self) -> int | None:
        """What the one selected particle is said to look like one with."""
        picked = self.session.selected
        return partner(self.doubtful.of(self.session.current), *picked) if len(picked) == 1 else None

    def _next_by_key(self) -> None:
        """As *Go through* of step 2 does: here it is seen how many are reviewed."""
        if self.session.step != _STEP:
            self.session.step_wanted.emit(_STEP)
        self._next()

    def _forget_led(self) -> None:
        self._led = None
        self._left.clear()

    def _review_all(self, on: bool) -> None:
        item = self.session.current
        if item is not None and item.measurement is not None:
            self.corrector.review_all(item, on)

    def _audit(self) -> None:
        self.result.settle()
        open_audit(self.session, self.pool.items, self.pool.measurements).finished.connect(self.pool.outdated)

    # -- what the session tells

    def _soon(self, *_: Any) -> None:
        if not self._later.isActive():  # begun anew it would come after what the new picture takes to be drawn: seconds, where it is large
            self._later.start()

    def refresh(self) -> None:
        """Follow the session."""
        session, item = self.session, self.session.current
        measured = item is not None and item.measurement is not None
        picked = len(session.selected) if measured else 0
        self._follow_tool(item.particles_layer if item is not None else None)
        self.by_key.follow()
        none = "" if measured else self._state(item, 0)
        several = picked > 1 or self._partner() is not None
        for lacks, *widgets in (
            (none, self.split, self.add, self.lasso, self.box, self.likewise, self.new, self.next, self.reviewed),
            (none or ("" if picked else SELECT_FIRST), self.these, self.delete, self.exclude),
            (none or ("" if several else "Select two particles or more first: click one, Shift and click others."), self.merge),
            (none or ("" if picked == 1 or self.redraw.isChecked() else "Select one particle first: click it."), self.redraw),
            (none or ("" if self._some_excluded(item) else "Select a particle first that is excluded."), self.include),
            ("" if self.pool.items else NOTHING_SEARCHED, self.audit),
        ):
            for widget in widgets:
                allow(widget, lacks)
        self._show_history(item)
        self._show_review(item)
        self.note.setText(self._state(item, picked))
        set_role(self.note, "warning" if self._refused(item) else "hint")
        self.result.refresh()

    def _some_excluded(self, item: Item | None) -> bool:
        """Whether any of what is selected does not count."""
        if item is None or item.measurement is None or not self.session.selected:
            return False
        table = item.measurement.table
        return bool((table["particle"].isin(self.session.selected) & (table["excluded"] != "")).any())

    def _follow_tool(self, layer: Any) -> None:
        """Know which tool of napari's is in hand on the particles."""
        if self._tooled is not layer:
            if self._tooled is not None:
                brush.off_tool(self._tooled, self._soon)
            if layer is not None:
                brush.on_tool(layer, self._soon)
                undo, redo = self.refusal.tried(self.undo_keys.undo), self.refusal.tried(self.undo_keys.redo)
                brush.bind_undo(layer, partial(guarded, undo), partial(guarded, redo))
            self._tooled = layer
        mode = "" if layer is None else str(layer.mode)
        self.redraw.setChecked(mode in ("paint", "erase", "fill"))
        self.new.setChecked(mode == "polygon")
        self.brush.follow(layer)
        self.colours.show_other(self.redraw.isChecked())

    def _show_history(self, item: Item | None) -> None:
        for made, verb, key, name in (
            (self.undo, "Undo", "Ctrl+Z or U", self.undo_keys.newest(item)),
            (self.redo, "Redo", "Ctrl+Shift+Z, Ctrl+Y or Shift+U", self.undo_keys.undone(item)),
        ):
            brief = name.partition(" (")[0]  # the reason of an exclusion has no room
            made.set_text(f"{verb} {name}".strip() if made is self.undo else verb, f"{verb} {brief}".strip() if made is self.undo else verb)
            made.setToolTip(f"{verb} {name or 'a correction, a split or a search'} ({key}).")
            allow(made, "" if name else f"There is nothing to {verb.lower()}.")

    def _show_review(self, item: Item | None) -> None:
        table = item.measurement.table if item is not None and item.measurement is not None else None
        done = 0 if table is None else int(table["reviewed"].sum())
        self.progress.setText("" if table is None else f"{done} of {len(table)} reviewed")
        self.reviewed.setChecked(item is not None and item.reviewed)
        waiting = table is not None and done < len(table)
        highlight(self.next, waiting)
        highlight(self.result.report, table is not None and len(table) > 0 and not waiting)

    def _refused(self, item: Item | None) -> bool:
        return item is not None and item.measurement is not None and bool(self.refusal.sentence)

    def _state(self, item: Item | None, picked: int) -> str:
        if item is None or item.measurement is None:
            return waiting(item, searched=item is not None and self.session.part(Finder).searches(item))
        if self._refused(item):
            return self.refusal.told_of(item)
        if self.pointer.tool is not Tool.SELECT:
            return self.pointer.instruction
        if self.redraw.isChecked():
            return "The brush adds, the eraser (E) removes; Esc ends, and fills an outline that was traced."
        if self.new.isChecked():
            return "Drag round it; or click round it, a double click closes the outline. Esc ends."
        if not picked:
            return str(Tool.SELECT.value)
        return selected(self.session.selected, self.doubtful.of(item))
