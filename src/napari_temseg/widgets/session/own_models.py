"""Models trained here, written to the user's own folder as soon as they are done, and there again at the next start."""

from __future__ import annotations

import logging
import re
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.wording import day_and_time
from napari_temseg.widgets.jobs.runner import complain
from napari_temseg.widgets.session.data_folder import data_folder

if TYPE_CHECKING:
    from napari_temseg.engine.model.segmenter import Segmenter
    from napari_temseg.widgets.session.session import Session

logger = logging.getLogger("napari_temseg")
NEWEST_MODELS = 10  # of those that nobody gave a name of their own, so many are kept
_NUMBERED = re.compile(r"\+\d+$")  # as training names them


def folder() -> Path:
    """Where they lie."""
    return data_folder() / "models"


class OwnModels(QObject):
    """The user's own models of a session. `session.own` has those of earlier starts from the beginning; a job loads one it needs."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._paths: dict[str, Path] = {}
        found = _files()
        session.own = {path.stem: path for path in found if path.stem != "particles"}
        self._paths |= session.own
        session.model_renamed.connect(self._renamed)
        if found:
            session.models_changed.emit()

    def save(self, name: str, model: Segmenter) -> None:
        """Write a model of this session; numbered ones beyond the newest few go, but none that is in use."""
        path = folder() / f"{_safe(name)}.temseg"
        self._paths[name] = path
        number = int(self.session.settings.get("own models", NEWEST_MODELS))
        self.session.jobs.later(partial(_write, model, path), self._told)
        spared = {self._paths.get(each) for each in (*self.session.models, *self.session.models_in_use)}
        self.session.jobs.later(partial(_prune, number, spared), self._forget)

    def has(self, name: str) -> bool:
        """Whether a model was trained here, now or at an earlier start."""
        return name in self.session.models or name in self.session.own

    def check_removable(self, name: str) -> None:
        """`TemsegError` for a model that was not trained here, and while a job may be using it."""
        if not self.has(name):
            raise TemsegError(f"“{Path(name).stem}” was not trained here: only models of your own can be removed.")
        if self.session.jobs.running:
            raise TemsegError(f"“{self.session.jobs.title}” is still running: remove “{name}” when it is done, or cancel it.")

    def remove(self, name: str) -> None:
        """Forget a model and delete its file; the shipped one takes its place."""
        self.check_removable(name)
        path = self._paths.pop(name, None)
        self.session.remove_model(name)
        if path is not None:
            self.session.jobs.later(partial(_delete, path), self._told)

    def tip(self, name: str) -> str:
        """For people: when a model was made and where it lies, "" for others."""
        path = self._paths.get(name)
        try:
            return "" if path is None else f"Trained {day_and_time(datetime.fromtimestamp(path.stat().st_mtime))}; kept in {path.parent}."
        except OSError:  # not written yet, or gone
            return ""

    def _renamed(self, name: str, new: str) -> None:
        old = self._paths.pop(name, None)
        if old is None:
            return
        self._paths[new] = path = old.with_stem(_safe(new))
        if new in self.session.own:
            self.session.own[new] = path
        model = self.session.models.get(new)
        self.session.jobs.later(partial(_move, old, path) if model is None else partial(_rewrite, model, old, path), self._told)

    def _told(self, error: TemsegError | None) -> None:
        if error is not None:
            complain(error, "keeping a model")

    def _forget(self, gone: list[Path]) -> None:
        names = [name for name, path in self.session.own.items() if path in gone]
        for name in names:
            del self.session.own[name], self._paths[name]
        if names:
            self.session.models_changed.emit()


def _files() -> list[Path]:
    """The newest first."""
    try:
        return sorted(folder().glob("[!.]*.temseg"), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError as error:
        logger.warning("own models cannot be listed: %s", error)
        return []


def _safe(name: str) -> str:
    """A name as it may stand in a file name."""
    return re.sub(r"[^\w.+() -]", "_", name).strip(" .") or "model"


def _write(model: Segmenter, path: Path) -> TemsegError | None:
    """In the thread of chores; torch is loaded already, as there is a model."""
    from napari_temseg.files.models import save

    try:
        save(model, path)
    except TemsegError as error:
        return TemsegError(f"The model “{path.stem}” is not kept for the next start: {error}")
    return None


def _rewrite(model: Segmenter, old: Path, path: Path) -> TemsegError | None:
    """The model carries its name, so a renamed one is written again."""
    error = _write(model, path)
    if error is None and old != path:
        old.unlink(missing_ok=True)
    return error


def _move(old: Path, path: Path) -> TemsegError | None:
    try:
        old.rename(path)
    except OSError as error:
        return TemsegError(f"{old}: the file cannot be renamed ({error.strerror or error}); at the next start it has its old name.")
    return None


def _delete(path: Path) -> TemsegError | None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        return TemsegError(f"{path}: the file cannot be deleted ({error.strerror or error}); at the next start the model is there again.")
    return None


def _prune(number: int, spared: set[Path | None]) -> list[Path]:
    """Delete numbered models beyond the newest few; returns which."""
    gone = [path for path in _files() if _NUMBERED.search(path.stem)][number:]
    gone = [path for path in gone if path not in spared]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone
