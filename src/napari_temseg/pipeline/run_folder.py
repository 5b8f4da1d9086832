"""The folder of a run: one run at a time, each picture committed by itself, older results put aside and never mixed or deleted."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import reason, replacing, write_text
from napari_temseg.pipeline.older_results import OlderResults
from napari_temseg.pipeline.record import SUFFIX, Record, file_digest, read_item, read_record, unchanged, write_record
from napari_temseg.pipeline.run_result import RunItem

STATE = ".temseg"
FIGURES = "figures"  # the folder of the figures of a report
THUMBNAILS = f"{FIGURES}/pictures"  # that of its pictures, where they are many
_FIGURES = tuple(
    f"{FIGURES}/{title}_{unit}.{end}" for title in ("distribution", "quantiles") for unit in ("nm", "px") for end in ("svg", "pdf")
)
UNFINISHED = "UNFINISHED.txt"  # is there from the first picture that is searched to the files of the set
SET = ("particles.csv", "particles.xlsx", "summary.json", "report.html", "recipe.json", "audit.html", "audit.json", *_FIGURES)
PROBE = 2**16  # bytes that are written before a run begins, to know that the folder takes them


class Unwritable(TemsegError):
    """What is to be written does not get to the disk: the rest of a run would not either."""


@contextmanager
def opened(output: Path) -> Iterator[RunFolder]:
    """The folder, locked against other runs until the block ends or the process is gone; made when it is missing.

    A commit that a kill interrupted is completed first. `TemsegError` when it cannot be written to, or another run is in it.
    """
    if output.exists() and not output.is_dir():
        raise TemsegError(f"{output}: is a file; name a folder to write the results to.")
    state = output / STATE
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = FileLock(state / "lock", timeout=0, thread_local=False)
        lock.acquire()
    except Timeout as error:
        raise TemsegError(
            f"{output}: {_owner(state)} is writing its results there; wait until it has ended, or choose another folder."
        ) from error
    except OSError as error:
        raise TemsegError(f"{output}: cannot be written ({reason(error, state)}); choose a folder you may write to.") from error
    try:
        _probe(output, state)
        folder = RunFolder(output)
        folder.recover()
        try:
            yield folder
        finally:
            folder.clear()
    finally:
        lock.release()


def _probe(output: Path, state: Path) -> None:
    """Know before anything is searched that the folder takes what is written; say whose it is meanwhile."""
    for left in state.glob(".*-*"):  # half a file of a run that was killed
        left.unlink(missing_ok=True)
    said = {"process": os.getpid(), "machine": socket.gethostname(), "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}"}
    try:
        with replacing(state / "probe") as probe:
            probe.write_bytes(bytes(PROBE))
        (state / "probe").unlink()
        write_text(state / "owner.json", json.dumps(said) + "\n")
    except TemsegError as error:
        if isinstance(error.__cause__, OSError):
            trouble = reason(error.__cause__, state)
            raise TemsegError(f"{output}: cannot be written ({trouble}); make space there, or choose another folder.") from error.__cause__
        raise


def _owner(state: Path) -> str:
    try:
        said = json.loads((state / "owner.json").read_text(encoding="utf-8"))
        machine = "" if said["machine"] == socket.gethostname() else f" on {said['machine']}"
        return f"process {said['process']}{machine} (since {said['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


@contextmanager
def writing(folder: Path, output: Path) -> Iterator[None]:
    """Write to a folder that is gone afterwards, but for a commit that was complete and only could not be moved into place.

    `Unwritable` names the folder `output` of the run when the disk does not take it.
    """
    try:
        yield
    except TemsegError as error:
        if isinstance(error.__cause__, OSError):
            raise Unwritable(str(error).replace(f"{folder}{os.sep}", f"{output}{os.sep}")) from error.__cause__
        raise
    except OSError as error:
        raise Unwritable(f"{output}: cannot be written ({reason(error, folder)}).") from error
    finally:
        if not any(folder.glob(f"*{SUFFIX}")):
            shutil.rmtree(folder, ignore_errors=True)


def stage(folder: Path, item: RunItem, stem: str, key: str, settings: str, labels: Mapping[str, Callable[[Path], object]]) -> Record:
    """Write a picture's label images (by name, what writes each to a path) to `folder`, and then its record."""
    for name, write in labels.items():
        write(folder / name)
    record = Record(stem, key, settings, {name: file_digest(folder / name) for name in labels})
    write_record(folder / f"{stem}{SUFFIX}", record, item)
    return record


class RunFolder:
    """What is committed in a locked folder.

    A picture is written to a folder of its own beside the results, by whatever process, its record last; then it is moved into place, its
    record last again. A kill in between is made good by whoever opens the folder next, from the record that waits there.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self._pictures, self._new, self._set = (output / STATE / name for name in ("pictures", "new", "set"))
        self._start = secrets.token_hex(4)  # a worker that outlives its run writes to no folder of the next one
        self.older = OlderResults(output, STATE)
        self.records: dict[str, Record] = {}

    def recover(self) -> None:
        """Complete what a kill left half-way, and see what there is."""
        self.older.resume()
        for path in sorted(self._new.rglob(f"*{SUFFIX}")):
            record, staging = read_record(path), path.parent
            if (
                record is not None
                and record.stem == path.stem
                and all(unchanged(staging / name, known) or unchanged(self.output / name, known) for name, known in record.files.items())
            ):
                self._install(record, staging)
        shutil.rmtree(self._new, ignore_errors=True)
        shutil.rmtree(self._set, ignore_errors=True)
        found = (read_record(path) for path in sorted(self._pictures.glob(f"*{SUFFIX}")))
        self.records = {record.stem: record for record in found if record is not None}

    def is_done(self, stem: str, key: str) -> bool:
        """Whether the picture with this key is committed and its label images are as they were written."""
        record = self.records.get(stem)
        return record is not None and record.key == key and self._whole(record)

    def _whole(self, record: Record) -> bool:
        return all(unchanged(self.output / name, known) for name, known in record.files.items())

    def make_room(self, kept: Collection[str], coming: Collection[str], names: Collection[str]) -> str:
        """Put aside every picture but those `kept`, and what lies where files of stems `coming` are to go; a sentence, or "".

        `names` are the endings of label images. With anything put aside, or nothing kept, the files of the set go along.
        """
        gone = [path for path in sorted(self._pictures.glob(f"*{SUFFIX}")) if path.stem not in kept]
        files = [self.output / name for path in gone for name in self._files_of(path, names)]
        files += [self.output / f"{stem}{end}" for stem in coming if stem not in kept for end in names]
        if not self.records:
            files += self.older.of_summary(names)
        moved = [*dict.fromkeys(file for file in files if file.is_file()), *gone]
        if moved or not kept:
            moved = [*(path for path in self._of_set() if path.is_file()), *moved]
        self.records = {stem: record for stem, record in self.records.items() if stem in kept}
        return self.older.put_aside(moved, len(kept)) if moved else ""

    def _files_of(self, path: Path, names: Collection[str]) -> list[str]:
        record = self.records.get(path.stem)
        return list(record.files) if record is not None else [f"{path.stem}{end}" for end in names]

    def commit(self, item: RunItem, stem: str, key: str, settings: str, labels: Mapping[str, Callable[[Path], object]]) -> None:
        """Write a picture's label images (by name, what writes each to a path) and then its record.

        `Unwritable` when the disk does not take it: nothing is to be seen of it then.
        """
        staging = self.staging(stem)
        with writing(staging, self.output):
            self.install(stage(staging, item, stem, key, settings, labels))

    def staging(self, stem: str) -> Path:
        """An empty folder of its own for what is to be committed of a picture."""
        folder = self._new / self._start / stem
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise Unwritable(f"{self.output}: cannot be written ({reason(error, self.output)}).") from error
        return folder

    def install(self, record: Record) -> None:
        """Commit a picture: move what waits in its staging folder into place."""
        staging = self._new / self._start / record.stem
        with writing(staging, self.output):
            self._install(record, staging)
            self.records[record.stem] = record

    def _install(self, record: Record, staging: Path) -> None:
        path = self._pictures / f"{record.stem}{SUFFIX}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        for name in record.files:
            if (staging / name).is_file():
                os.replace(staging / name, self.output / name)
        os.replace(staging / path.name, path)

    def clear(self) -> None:
        """Remove what was begun and is not to be committed; a commit that was complete and could not be moved into place waits."""
        if not any(self._new.rglob(f"*{SUFFIX}")):
            shutil.rmtree(self._new, ignore_errors=True)

    @property
    def state(self) -> Path:
        """Where the folder keeps what is no result."""
        return self.output / STATE

    def say_unfinished(self, sentence: str) -> None:
        """Leave a sentence among the results for whoever looks at them after a kill; it goes when the set is written."""
        with writing(self._set, self.output):
            write_text(self.output / UNFINISHED, sentence + "\n")

    def say_ended(self) -> None:
        """Nothing is being searched any more."""
        (self.output / UNFINISHED).unlink(missing_ok=True)

    def item(self, stem: str, source: Path | None = None) -> RunItem:
        """A committed picture, read from its record."""
        return read_item(self._pictures / f"{stem}{SUFFIX}", self.output, source)

    def write_set(self, writers: Mapping[str, Callable[[Path], object]]) -> tuple[Path, ...]:
        """Replace the files of the set once all of them are written (by name, what writes each to a path)."""
        with writing(self._set, self.output):
            for name, write in writers.items():
                (self._set / name).parent.mkdir(parents=True, exist_ok=True)
                write(self._set / name)
            for name in writers:
                (self.output / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(self._set / name, self.output / name)
            written = {self.output / name for name in writers}
            for path in self._of_set():  # of a state in which there was more
                if path not in written:
                    path.unlink(missing_ok=True)
            self.say_ended()
        return tuple(self.output / name for name in writers)

    def _of_set(self) -> list[Path]:
        """Where files of the set may lie."""
        return [*(self.output / name for name in SET), *sorted((self.output / THUMBNAILS).glob("*.jpg"))]
