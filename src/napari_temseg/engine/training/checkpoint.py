"""A training that is under way, as it can be written down, so that the same call goes on with it after a stop."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.training.metrics import Figures
from napari_temseg.engine.types.annotations import Annotations
from napari_temseg.engine.types.config import TrainConfig
from napari_temseg.engine.types.errors import TemsegError

if TYPE_CHECKING:
    from napari_temseg.engine.training.loop import Session

EVERY = 30.0  # s between two checkpoints at least
REST = 20.0  # × the cost of a checkpoint: how long training goes on before the next
BUDGET = ("max_seconds", "max_steps", "epochs", "patience", "device")  # settings that may be others when a training goes on
NETWORK, BEST, OPTIMISER, RANDOM = "network", "best", "optimiser", "random"  # what tensors belong to, the first part of their names


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training between two steps: `identity` of what is trained (see `identity`), `facts` as JSON knows them, tensors by name.

    Of the network and the best so far it holds the tensors that are not those of the starting model.
    """

    identity: dict[str, Any]
    facts: dict[str, Any]
    tensors: dict[str, torch.Tensor]


class Store(Protocol):
    """Where the checkpoint of one training is kept; both methods raise `TemsegError`. `name` is for people."""

    name: str

    def load(self) -> Checkpoint | None:
        """What is kept, None when there is nothing yet."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep this in place of what was kept."""


def identity(annotations: Annotations, base: Segmenter | None, config: TrainConfig, tune: bool = False) -> dict[str, Any]:
    """What makes a training the same: labelled pixels and their images (SHA-256), starting model, settings except the budget.

    Micrographs without labels may be others when it goes on, as those that are open in the window are.
    """
    images, labels = hashlib.sha256(), hashlib.sha256(repr(sorted(annotations.class_names.items())).encode())
    for item in annotations.items:
        image = item.micrograph
        images.update(f"{tuple(image.data.shape)}{image.data.dtype}{image.calibration.nanometres}".encode())
        for index, numbers, instances in item.planes():
            images.update(np.ascontiguousarray(image.plane(index)).view(np.uint8).data)
            images.update(b"" if image.valid is None else image.valid.tobytes())
            labels.update(str(index).encode())
            labels.update(numbers.tobytes())
            labels.update(b"" if instances is None else instances.tobytes())
    settings = {name: value for name, value in config.to_dict().items() if name not in BUDGET}
    settings["encoder_weights"] = config.encoder_weights and Path(config.encoder_weights).name
    start = base.content_hash() if base else "none"
    return {"images": images.hexdigest(), "labels": labels.hexdigest(), "starting model": start, "tune": tune, **settings}


class Saving:
    """Writes checkpoints of one training to `store`, if there is one, when they are due: they take a twentieth of the time at most."""

    def __init__(
        self, store: Store | None, annotations: Annotations, base: Segmenter | None, config: TrainConfig, tune: bool = False
    ) -> None:
        self.store = store
        self.identity = {} if store is None else identity(annotations, base, config, tune)
        self.saved = False
        self.due = EVERY  # s on the clock of the job

    def found(self) -> Checkpoint | None:
        """What an earlier start left; `TemsegError` when it is of another training."""
        checkpoint = None if self.store is None else self.store.load()
        if checkpoint is None or checkpoint.identity == self.identity:
            return checkpoint
        names = {**self.identity, **checkpoint.identity}
        other = [name for name in names if self.identity.get(name) != checkpoint.identity.get(name)]
        raise TemsegError(
            f"{self._name}: this checkpoint is of another training (different: {', '.join(other)}); "
            "give the same to go on with it, or start anew without it."
        )

    def put_back(self, session: Session, checkpoint: Checkpoint) -> None:
        """Let a new session, made of the same things, go on where the checkpoint was taken."""
        try:
            _put_back(session, checkpoint)
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            told = " ".join(str(error).split())[:200]
            raise TemsegError(f"{self._name}: this checkpoint does not fit the network ({told}); start anew without it.") from error

    def write(self, session: Session, spent: float, *, at_once: bool = False) -> str:
        """Write a checkpoint when one is due; `spent` (s) went into the training so far, earlier starts included.

        The first that cannot be written is an error, before much is lost; of later ones the sentence that is returned tells.
        """
        began = session.control.elapsed
        if self.store is None or not (at_once or began >= self.due):
            return ""
        told = ""
        try:
            self.store.save(taken(session, spent, self.identity))
        except TemsegError as error:
            if not self.saved:
                raise
            told = f"a checkpoint was not written: {error}"
        self.saved = True
        self.due = session.control.elapsed + max(EVERY, REST * (session.control.elapsed - began))
        return told

    @property
    def _name(self) -> str:
        return self.store.name if self.store is not None else "checkpoint"


def taken(session: Session, spent: float, known_by: Mapping[str, Any]) -> Checkpoint:
    """A session as it stands between two steps, copied."""
    crops, settings = session.learner.crops, {"learning_rate": session.config.learning_rate, "batch": session.config.batch}
    facts = {
        "settings": settings,  # those that a search has found
        "tuned": session.tuned,
        "steps": session.steps,
        "best_step": session.best_step,
        "best_score": list(session.best_score),
        "curve": [dict(point) for point in session.curve],
        "notes": list(session.notes),
        "figures": asdict(session.figures),
        "new_decoder": session.learner.new_decoder,
        "frozen": session.learner.frozen,
        "batch": session.learner.batch,
        "waited": session.waited,
        "wind_down": session.wind_down,
        "share": session.share,
        "spent": spent,
        "opening": session.opening,
        "cost": session.cost,
        "crops": {"rng": crops.rng.bit_generator.state, "turn": crops.turn},
    }
    tensors = _changed(session, NETWORK, session.learner.keep()) | _changed(session, BEST, session.best)
    if session.warm is not None:
        for index, state in session.warm.state_dict()["state"].items():
            tensors |= {f"{OPTIMISER}/{index}/{name}": value.detach().to("cpu", copy=True).contiguous() for name, value in state.items()}
    if session.learner.draws:
        tensors[RANDOM] = torch.get_rng_state()
    return Checkpoint(dict(known_by), facts, tensors)


def _changed(session: Session, part: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    start = session.untouched
    return {
        f"{part}/{name}": each.contiguous() for name, each in tensors.items() if name not in start or not torch.equal(each, start[name])
    }


def _put_back(session: Session, checkpoint: Checkpoint) -> None:
    facts, parts = checkpoint.facts, _by_part(checkpoint.tensors)
    session.config = session.learner.config = replace(session.config, **facts["settings"])
    if facts["new_decoder"] and not session.fresh:
        session.renew()
    crops = session.learner.crops
    session.learner.network.load_state_dict(session.untouched | parts.get(NETWORK, {}))
    session.best = session.untouched | parts.get(BEST, {})
    session.best_step, (iou, loss) = int(facts["best_step"]), facts["best_score"]
    session.best_score = (float(iou), float(loss))
    session.steps, session.learner.batch, session.waited = int(facts["steps"]), int(facts["batch"]), int(facts["waited"])
    session.curve, session.notes, session.tuned = list(facts["curve"]), list(facts["notes"]), facts["tuned"]
    session.figures = Figures(**facts["figures"])
    session.wind_down = tuple(facts["wind_down"]) if facts.get("wind_down") else None
    session.share, session.spent = float(facts["share"]), float(facts["spent"])
    session.opening, session.cost = float(facts["opening"]), float(facts["cost"])
    crops.rng.bit_generator.state, crops.turn = facts["crops"]["rng"], int(facts["crops"]["turn"])
    session.learner.freeze(bool(facts["frozen"]))
    session.warm = session.learner.optimiser()
    _fill(session.warm, parts.get(OPTIMISER, {}))
    if RANDOM in checkpoint.tensors:
        torch.set_rng_state(checkpoint.tensors[RANDOM])
    session.notes.append(f"went on at step {session.steps} after a stop")


def _by_part(tensors: Mapping[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts.setdefault(part, {})[rest] = tensor
    return parts


def _fill(optimiser: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    """Moments and step counts by the parameter's number; laid out in memory as the parameter is, so that sums come out the same."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for name, tensor in tensors.items():
        index, _, what = name.partition("/")
        parameter = parameters[int(index)]
        same = tensor.shape == parameter.shape and tensor.ndim > 0
        optimiser.state[parameter][what] = torch.empty_like(parameter).copy_(tensor).detach() if same else tensor
