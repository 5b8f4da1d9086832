"""What the window remembers between two starts, as JSON in the user's configuration folder."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_config_path

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.setting import Config
from napari_temseg.files.atomic import json_text, write_text

logger = logging.getLogger("napari_temseg")
C = TypeVar("C", bound=Config)


def settings_path() -> Path:
    """Where they lie."""
    return user_config_path("napari-temseg", appauthor=False) / "window.json"


class Settings:
    """A dictionary that is read once and written by `save`; a file that cannot be read counts as empty."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or settings_path()
        self._values: dict[str, Any] = {}
        self._changed = False
        try:
            values = json.loads(self.path.read_text(encoding="utf-8"))
            self._values = values if isinstance(values, dict) else {}
        except FileNotFoundError:
            pass
        except (OSError, ValueError):
            logger.warning("%s cannot be read: starting with default settings", self.path)

    def get(self, key: str, default: Any = None) -> Any:
        """A remembered value."""
        return self._values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Remember a value that JSON knows."""
        if self._values.get(key) != value:
            self._values[key] = value
            self._changed = True

    def save(self) -> None:
        """Write them, if anything changed; a folder that cannot be written to is not worth a word to the user."""
        if not self._changed:
            return
        self._changed = False  # what is set meanwhile is written by the next
        try:
            write_text(self.path, json_text(dict(self._values), indent=1))
        except TemsegError as error:
            self._changed = True
            logger.warning("settings not kept: %s", error)


def remembered(kind: type[C], values: Any) -> C:
    """Settings of the last start; those that no longer fit are forgotten."""
    try:
        return kind.from_dict(values) if isinstance(values, dict) else kind()
    except (TemsegError, TypeError):
        return kind()
