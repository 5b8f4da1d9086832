"""The checkpoint of a training, so that the same call goes on with it after a stop: where it is kept, and when one is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from napari_temseg.engine.training.task import TrainingTask
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Control

CHECKPOINT_EVERY = 30.0  # s between two checkpoints at least
CHECKPOINT_REST = 20.0  # × the cost of a checkpoint: how long training goes on before the next


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training between two steps: `identity` of what is trained, `facts` as JSON knows them, tensors by name (see `TrainState`).

    Of the network and the best so far it holds the tensors that are not those of the starting model.
    """

    identity: dict[str, Any]
    facts: dict[str, Any]
    tensors: dict[str, torch.Tensor]


class CheckpointStore(Protocol):
    """Where the checkpoint of one training is kept; both methods raise `TemsegError`. `name` is for people."""

    name: str

    def load(self) -> Checkpoint | None:
        """What is kept, None when there is nothing yet."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep this in place of what was kept."""


class CheckpointWriter:
    """Writes checkpoints of one training to `store`, if there is one, when they are due: they take a twentieth of the time at most."""

    def __init__(self, store: CheckpointStore | None, task: TrainingTask, control: Control) -> None:
        self.store, self.control = store, control
        self.name = "checkpoint" if store is None else store.name
        self.identity = {} if store is None else task.identity()
        self.saved = False
        self.due = CHECKPOINT_EVERY  # s on the clock of the job

    def found(self) -> Checkpoint | None:
        """What an earlier start left; `TemsegError` when it is of another training."""
        checkpoint = None if self.store is None else self.store.load()
        if checkpoint is None or checkpoint.identity == self.identity:
            return checkpoint
        names = {**self.identity, **checkpoint.identity}
        other = [name for name in names if self.identity.get(name) != checkpoint.identity.get(name)]
        raise TemsegError(
            f"{self.name}: this checkpoint is of another training (different: {', '.join(other)}); "
            "give the same to go on with it, or start anew without it."
        )

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """While a checkpoint is put back: what does not fit is said in one sentence."""
        try:
            yield
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            told = " ".join(str(error).split())[:200]
            raise TemsegError(f"{self.name}: this checkpoint does not fit the network ({told}); start anew without it.") from error

    def write(self, taken: Callable[[], Checkpoint], *, last: bool = False) -> str:
        """Write a checkpoint when one is due, or the `last` of some.

        The first that cannot be written is an error, before much is lost; of later ones the sentence that is returned tells.
        """
        began = self.control.elapsed
        if self.store is None or not (began >= self.due or (last and self.saved)):
            return ""
        told = ""
        try:
            self.store.save(taken())
        except TemsegError as error:
            if not self.saved:
                raise
            told = f"a checkpoint was not written: {error}"
        self.saved = True
        self.due = self.control.elapsed + max(CHECKPOINT_EVERY, CHECKPOINT_REST * (self.control.elapsed - began))
        return told
