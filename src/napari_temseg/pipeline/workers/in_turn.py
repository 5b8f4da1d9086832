"""Pictures one after another in this process; and what is said of pictures wherever they are worked at."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

from napari_temseg.engine.types.progress import Progress
from napari_temseg.pipeline.workers.picture_task import ReadyModel, Work

Take = Callable[[], Work | None]  # the next work that can begin, None when there is none at the moment


@dataclass(frozen=True)
class Said:
    """What is said of the work at picture `stem` ("": of none): how far it is, or in the end the `value` it gave, or its `error`."""

    stem: str = ""
    progress: Progress | None = None
    value: Any = None
    error: Exception | None = None

    @property
    def is_end(self) -> bool:
        """Whether the work has ended."""
        return self.value is not None or self.error is not None


class Crew(Protocol):
    """Where pictures are worked at."""

    def each(self, take: Take) -> Generator[Said, None, None]:
        """Do what `take` gives until it gives nothing and nothing is at work; closed before, it drops what is at work."""
        ...

    def note(self) -> str:
        """What there is to say of it in the end, or ""."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class InTurn:
    """One picture after another, in this process."""

    def __init__(self, model: ReadyModel) -> None:
        self._model = model

    def each(self, take: Take) -> Generator[Said, None, None]:
        """As `Crew` says."""
        while (work := take()) is not None:
            stem = work.task.stem
            steps = work.steps(self._model)
            try:
                while True:
                    yield Said(stem, next(steps))
            except StopIteration as stop:
                said = Said(stem, value=stop.value)
            except Exception as error:  # noqa: BLE001  whoever asked decides what to do about it
                said = Said(stem, error=error)
            yield said

    def note(self) -> str:
        """Nothing."""
        return ""

    def close(self) -> None:
        """Nothing to end."""
