"""Open micrographs from files and folders: reading is a job, layers appear one by one, and what cannot be read is named once."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from napari.utils.notifications import show_info
from qtpy.QtCore import QEvent, QObject, QTimer, Signal
from qtpy.QtGui import QDropEvent

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration, Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.files.readers import read_noted
from napari_temseg.widgets.canvas import micrograph_layer
from napari_temseg.widgets.images.series_dialog import Others, show_series_dialog
from napari_temseg.widgets.jobs.runner import complain, guarded
from napari_temseg.widgets.session.held_tool import Escape
from napari_temseg.widgets.session.item import SHIPPED

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

logger = logging.getLogger("napari_temseg")
RECENT_FILES = 12
NOTES_TOLD = 2  # notes on files that stand at the foot of the dock; more are a notification
FAILURES_NAMED = 8  # failures named in a notification; the log holds all


@dataclass(frozen=True, eq=False)
class Opened:
    """A file that was read, ready to be shown.

    `said` when it is known what the planes of a stack are; `notes` are sentences for people about the file, `others` the names of
    further pictures in it. `name` is that of the layer, "" for the file's.
    """

    image: Micrograph
    contrast: list[float] | None
    said: bool
    notes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a request: files read, those that were open before, a sentence for each that cannot be read, figures passed over."""

    read: int
    known: tuple[Path, ...]
    failures: tuple[str, ...]
    figures: int = 0


@dataclass(frozen=True)
class Request:
    """What is to be opened: files and folders, what the planes of stacks are, a pixel size that replaces the files' own.

    `series` are names of pictures in each file; without any, the first that can be measured is meant, and others are offered.
    """

    paths: tuple[Path, ...]
    axes: str = ""
    calibration: Calibration | None = None
    series: tuple[str, ...] = ()


Known = frozenset[tuple[Path, str]]  # files that are open, each with the picture in it


def iter_open(request: Request, known: Known = frozenset()) -> Job[Outcome]:
    """Read files and the micrographs of folders; each `Progress` with a preview carries an `Opened`. Files in `known` are passed over."""

    def steps(control: Control) -> Generator[Progress, None, Outcome]:
        yield Progress("open", 0.0, "looking for micrographs", control.elapsed)
        from napari_temseg.pipeline.inputs import OWN_FIGURES, gather  # brings what reads TIFF, which the window does not wait for

        found = gather(request.paths)
        files, failed = found.paths, found.failures
        failures = list(failed.values())
        wanted = [(path, name) for path in files for name in request.series or ("",)]
        new = [(path, name) for path, name in wanted if not _is_open(path.resolve(), name, known)]
        for index, (path, name) in enumerate(new):
            if control.finishing:
                break
            yield Progress("open", index / len(new), f"reading {path.name}", control.elapsed)
            try:
                opened = _read(path, name, request)
            except TemsegError as error:
                failures.append(str(error))
                continue
            yield Progress("open", (index + 1) / len(new), path.name, control.elapsed, preview=opened)
        open_before = tuple(path.resolve() for path, name in wanted if (path, name) not in new)
        return Outcome(len(new) - (len(failures) - len(failed)), open_before, tuple(failures), found.skipped[OWN_FIGURES])

    return Job(steps)


def _is_open(path: Path, series: str, known: Known) -> bool:
    return (path, series) in known if series else any(path == each for each, _ in known)


def _read(path: Path, series: str, request: Request) -> Opened:
    # A meaning that is not said is asked for in the window; a single page has none.
    reading = read_noted(path, axes=request.axes, series=series, unsaid="NYX")
    image = reading.image if request.calibration is None else reading.image.with_calibration(request.calibration)
    for note in reading.notes:
        logger.info("%s: %s", path, note)
    name = f"{image.name} {image.source.series}" if series and reading.others else ""
    return Opened(image, micrograph_layer.contrast_of(image), reading.said, reading.notes, () if series else reading.others, name)


class Opener(QObject):
    """Opens files for a session, beside a long job where one runs; requests that come while files are read wait for these.

    Who has gone on to another picture, or taken a tool in hand, since he asked keeps what he looks at: what opens then is in the list.
    `failed` hands over a sentence for each file that could not be opened at the newest request.
    """

    failed = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._requests: deque[tuple[Request, int, bool]] = deque()
        self._read: deque[Opened] = deque()
        self._notes: list[str] = []
        self._refused: list[str] = []  # sentences on files that were read and cannot be shown
        self._more: list[Others] = []
        self._first: Item | None = None
        self._outcome: Outcome | None = None
        self._chosen, self._showing = 0, False  # how often another picture was chosen, and whether it is this that shows one now
        self._reading = False
        self._before: Any = (0, False)  # `_chosen`, and whether a tool was in hand, when the request came
        self._turn = QTimer(self)  # one layer a turn of the event loop, so that the window never waits for many
        self._turn.setInterval(0)
        self._turn.timeout.connect(self._show_next)
        session.jobs.progressed.connect(self._take)
        self._noted: WeakSet[Item] = WeakSet()
        session.items_changed.connect(self._note_paths)
        session.current_changed.connect(self._other_in_hand)
        session.closing.connect(self._turn.stop)
        self._note_paths()

    def open(self, paths: Sequence[str | Path], axes: str = "", calibration: Calibration | None = None, series: Sequence[str] = ()) -> None:
        """Open files and the micrographs of folders; the arguments are those of `Request`."""
        if not paths:
            return
        request = Request(tuple(Path(path) for path in paths), axes, calibration, tuple(series))
        self._requests.append((request, self._chosen, self.session.part(Escape).held))
        if self._reading:
            self.session.say("These files open once those before them are open.")
        self._start_next()

    def _start_next(self) -> None:
        session = self.session
        if not self._requests or self._reading or session.closed:
            return
        self._reading = True
        request, *self._before = self._requests.popleft()  # what was in hand when it came, not when its turn comes
        shown = [item.layer for item in session.items]
        known = frozenset(
            (Path(path).resolve(), micrograph_layer.series_of(layer)) for layer in shown if (path := micrograph_layer.path_of(layer))
        )
        n = len(request.paths)
        title = f"Opening {request.paths[0].name}" if n == 1 else f"Opening {n} files"
        if session.jobs.running:
            session.say(f"{title} …")
            session.jobs.beside(title, lambda: iter_open(request, known), self._done, seen=self._seen, failed=self._end)
            return
        session.jobs.start(title, lambda: iter_open(request, known), self._done, can_finish=n > 1, failed=self._end)

    def _seen(self, step: Progress) -> None:
        self._take([step])

    def _end(self) -> None:
        """Nothing more comes of this request."""
        self._show_first()
        self._reading = False
        self._start_next()

    def _take(self, steps: list[Progress]) -> None:
        ready = [step.preview for step in steps if isinstance(step.preview, Opened)]
        if ready:
            self._read.extend(ready)
            self._turn.start()

    def _note_paths(self) -> None:
        """Remember the files of new images, also of those that napari opened."""
        for item in self.session.items:
            if item not in self._noted:
                self._noted.add(item)
                path = micrograph_layer.path_of(item.layer)
                remember_opened(self.session, path if Path(path).is_file() else "")

    def _show_next(self) -> None:
        if self._read:
            opened = self._read.popleft()
            first, viewer = self._first is None and not self._gone_on(), self.session.viewer
            try:
                with self._by_itself():
                    layer = micrograph_layer.add_micrograph(
                        viewer, opened.image, opened.name, opened.contrast, said=opened.said, notes=opened.notes, shown=first
                    )
            except TemsegError as error:
                self._refused.append(str(error))
                return
            self._notes += [f"{layer.name}: {note}" for note in opened.notes]
            if opened.others:
                source = opened.image.source
                self._more.append(Others(source.path, source.series, opened.others, opened.image.axes if opened.said else ""))
            item = self.session.item_of(layer)
            if item is not None and first:  # at once, whole and alone: others may take long to read
                self._first = item
                self._show(item)
            return
        self._turn.stop()
        if self._outcome is not None:
            refused, self._refused = self._refused, []
            outcome = replace(self._outcome, read=self._outcome.read - len(refused), failures=(*self._outcome.failures, *refused))
            self._outcome = None
            if not self._gone_on():
                self._first = self._first or self._shown(outcome.known)
            self._show_first()  # before what is told, which goes when another picture comes
            self._tell(outcome)
            self._end()

    def _done(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._turn.start()  # the sentence comes after the last layer

    def _gone_on(self) -> bool:
        """Whether another picture, or a tool, was taken in hand since the request came."""
        chosen, held = self._before
        return bool(self._chosen > chosen or (self.session.part(Escape).held and not held))

    def _other_in_hand(self) -> None:
        if not self._showing:
            self._chosen += 1

    @contextmanager
    def _by_itself(self) -> Iterator[None]:
        self._showing = True
        try:
            yield
        finally:
            self._showing = False

    def _show_first(self) -> None:
        """Take the first of the new images in hand and show it alone."""
        item, self._first = (None if self._gone_on() else self._first), None
        if item in self.session.items and item is not None:
            self._show(item)

    def _show(self, item: Item) -> None:
        with self._by_itself():
            self.session.set_current(item)
            self.session.reveal()

    def _shown(self, paths: Sequence[Path]) -> Item | None:
        """The picture of the first of these files, unless one of them is in hand: who opens it again looks for it."""
        items = [item for item in self.session.items if (path := micrograph_layer.path_of(item.layer)) and Path(path).resolve() in paths]
        return None if self.session.current in items or not items else items[0]

    def _tell(self, outcome: Outcome) -> None:
        parts = [f"Opened {outcome.read or 'no'} image{'s' if outcome.read > 1 else ''}."]
        if outcome.known:
            parts.append(f"{len(outcome.known)} {'were' if len(outcome.known) > 1 else 'was'} open already.")
        if outcome.failures:
            parts.append(f"{len(outcome.failures)} could not be opened.")
        if outcome.figures:
            figures = "1 figure" if outcome.figures == 1 else f"{outcome.figures} figures"
            parts.append(f"Left out: {figures} that this program drew.")
        if outcome.read and self.session.chosen != SHIPPED:  # chosen while others were open
            which = f"these {outcome.read}" if outcome.read > 1 else "it"
            parts.append(f"The model you chose, “{self.session.shown_name(self.session.chosen)}”, is in use for {which} too (step 2).")
        text = " ".join(parts)
        notes, self._notes = self._notes, []
        if len(notes) <= NOTES_TOLD:  # where they stay until something else is told
            text = " ".join((text, *notes))
        else:
            show_info(_lines(notes, "more notes"))
        self.session.say(text)
        self.failed.emit(outcome.failures)
        more, self._more = self._more, []
        if more:
            show_series_dialog(self.session, more, self.open)
        if outcome.failures:
            complain(TemsegError(_failures(outcome.failures)), "opening files")


def remember_opened(session: Session, path: str) -> None:
    """Offer a file again at later starts, and begin beside it when the next is opened."""
    if path:
        whole = str(Path(path).resolve())
        session.settings.set("recent", [whole, *(each for each in recently_opened(session) if each != whole)][:RECENT_FILES])
        session.jobs.later(session.settings.save)  # a window that is killed has opened it all the same


def recently_opened(session: Session) -> list[str]:
    """The files that were opened last, the newest first."""
    known = session.settings.get("recent", [])
    return [each for each in known if isinstance(each, str)] if isinstance(known, list) else []


def _failures(sentences: Sequence[str]) -> str:
    """One notification for all files that could not be opened."""
    if len(sentences) == 1:
        return sentences[0]
    for sentence in sentences:
        logger.info("not opened: %s", sentence)
    return f"{len(sentences)} files could not be opened:\n{_lines(sentences, 'more')}"


def _lines(sentences: Sequence[str], more: str) -> str:
    lines = [f"• {sentence}" for sentence in sentences[:FAILURES_NAMED]] if len(sentences) > 1 else list(sentences)
    if len(sentences) > FAILURES_NAMED:
        lines.append(f"• and {len(sentences) - FAILURES_NAMED} {more}, which the log names (“temseg info” says where it lies)")
    return "\n".join(lines)


class _DropTarget(QObject):
    """Takes files and folders dropped on a widget."""

    def __init__(self, widget: QWidget, session: Session) -> None:
        super().__init__(widget)
        self.session = session

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  Qt's name
        """Accept what is a local file, leave everything else to the widget."""
        if not isinstance(event, QDropEvent) or event.type() not in (QEvent.Type.DragEnter, QEvent.Type.Drop):
            return False
        urls = event.mimeData().urls()
        paths = [url.toLocalFile() for url in urls if url.isLocalFile()]
        if not paths:
            return False
        event.acceptProposedAction()
        if event.type() == QEvent.Type.Drop:
            guarded(lambda: self.session.part(Opener).open(paths))
        return True


def accept_drops(widget: QWidget, session: Session) -> None:
    """Let files and folders be dropped on a widget and all that lies on it."""
    widget.setAcceptDrops(True)
    widget.installEventFilter(_DropTarget(widget, session))
