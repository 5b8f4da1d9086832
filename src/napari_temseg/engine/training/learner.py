"""A network that learns: its optimiser, one step on drawn crops, and how it does on windows of the validation part."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_temseg.engine.model.device import Device, ThreadChoice, choose_device, out_of_memory, release
from napari_temseg.engine.model.looks import Looks
from napari_temseg.engine.model.network import class_logits, forward, freeze_encoder, renew_decoder, set_mode
from napari_temseg.engine.model.runner import LEAST_VIEW, fused
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.training import losses
from napari_temseg.engine.training.crops import Batch, Crops
from napari_temseg.engine.training.dataset import LabelledPlane
from napari_temseg.engine.training.losses import TrainingMetrics
from napari_temseg.engine.training.state import LearnerState, Tensors
from napari_temseg.engine.training.task import TrainingTask
from napari_temseg.engine.types.config import TrainConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.progress import Pace

PEAK_RATE = 2e-3  # of the learning rate unless the settings say otherwise
GENTLE_SHARE = 0.15  # of it for an encoder that already knows something …
BOLD_SHARE = 1.0  # … and where that was another task, as a new decoder shows


def _bare(method: Any) -> Any:
    """A method without the wrapping that loads torch's compiler; the method itself in a torch that wraps it otherwise."""
    return getattr(method, "__wrapped__", method)


class EagerAdamW(torch.optim.AdamW):
    """AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) that leaves torch's compiler alone.

    torch loads all of it at the first step, only to switch it off: more than a second of processor time, in which a window stutters.
    """

    add_param_group = _bare(torch.optim.Optimizer.add_param_group)
    zero_grad = _bare(torch.optim.Optimizer.zero_grad)
    state_dict = _bare(torch.optim.Optimizer.state_dict)
    load_state_dict = _bare(torch.optim.Optimizer.load_state_dict)
    step = torch.no_grad()(_bare(torch.optim.AdamW.step))


class Learner:
    """The network of one training, on its device, its optimiser, and the crops it learns from.

    `model` describes the network, which is moved and changed in place. `pace` is told what looks and steps take.
    """

    def __init__(self, model: Segmenter, crops: Crops, task: TrainingTask, pace: Pace | None = None) -> None:
        self.pace = pace or Pace(time.monotonic)
        self.model, self.crops, self.config, self.start_classes = model, crops, task.config, task.start_classes
        self.device: Device = choose_device(task.config.device, task.config.precision)
        self.threads = ThreadChoice(self.pace.clock, None if self.device.kind == "cpu" else 1)
        self.first_scales = model.scales
        self.network = model.network.to(self.device.torch, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.new_decoder = task.base is None
        # A random encoder holds nothing worth freezing.
        self.pretrained = task.base is not None or task.config.encoder_weights is not None
        self.draws = task.config.unfreeze or not self.pretrained  # drop-path of a trained encoder draws from torch's own generator
        self.random: torch.Tensor | None = None  # state of the generator it draws from, if it does
        self.seed()
        self.batch = task.config.batch
        self.optimiser: EagerAdamW | None = None  # made with the first step
        self.freeze(self.pretrained)
        # What it started from, which a checkpoint need not hold; nothing where that is random.
        self.start: Tensors = {} if task.base is None else self.tensors()

    @property
    def loss(self) -> str:
        """The loss on labelled pixels, see `losses.supervised`."""
        automatic = "cross-entropy+dice" if self.new_decoder else "cross-entropy"
        return automatic if self.config.loss == "auto" else self.config.loss

    @property
    def peak(self) -> float:
        """The highest learning rate."""
        return self.config.learning_rate or PEAK_RATE

    def renew(self, crops: Crops) -> None:
        """Begin with a new decoder on the encoder there is, at the scale of `crops`."""
        renew_decoder(self.network, self.model.spec, self.config.seed)
        self.crops, self.model = crops, replace(self.model, scales=crops.scales)
        self.new_decoder = True

    def variant(self, config: TrainConfig) -> Learner:
        """One like this before its first step, with a network and settings of its own; its crops are drawn from the beginning."""
        twin, network = copy.copy(self), copy.deepcopy(self.network)
        twin.config, twin.batch, twin.network, twin.model = config, config.batch, network, replace(self.model, weights=network)
        twin.optimiser, twin.crops = None, copy.copy(self.crops)
        twin.crops.rng, twin.crops.turn = np.random.default_rng(config.seed), 0
        return twin

    def freeze(self, frozen: bool) -> None:
        """Hold the encoder as it is, or let it learn too; the optimiser begins afresh with the next step."""
        self.frozen, self.optimiser = frozen, None
        freeze_encoder(self.network, frozen)

    def new_optimiser(self) -> EagerAdamW:
        """A fresh one over what is not frozen."""
        encoder = [p for p in self._part("encoder").parameters() if p.requires_grad]
        others = [p for part in ("decoder", "segmentation_head") for p in self._part(part).parameters()]
        groups: list[dict[str, Any]] = [{"params": others, "share": 1.0}]
        if encoder:
            groups.append({"params": encoder, "share": (BOLD_SHARE if self.new_decoder else GENTLE_SHARE) if self.pretrained else 1.0})
        return EagerAdamW(groups, lr=self.peak, weight_decay=self.config.weight_decay)

    def seed(self) -> None:
        """Begin the random draws anew."""
        if not self.draws:
            return
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)  # of an accelerator too, on which it draws there
            self.random = torch.get_rng_state()

    @contextmanager
    def _own_draws(self) -> Iterator[None]:
        """What is drawn from torch's generator is drawn from the learner's own: torch's is everybody's, and left as it was."""
        if self.random is None:
            yield
            return
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.random)
            yield
            self.random = torch.get_rng_state()

    def _part(self, name: str) -> nn.Module:
        part: nn.Module = getattr(self.network, name)
        return part

    def step(self, rate: float, metrics: TrainingMetrics) -> None:
        """One step of the optimiser at the learning rate `rate`; how it did is added to `metrics`."""
        with self.pace.stepping(), self.threads.working():
            self._step(rate, metrics)

    def _step(self, rate: float, metrics: TrainingMetrics) -> None:
        optimiser = self.optimiser = self.optimiser or self.new_optimiser()
        for group in optimiser.param_groups:
            group["lr"] = rate * group["share"]
        batch = self.crops.draw(self.batch)
        # Another tissue has other statistics; for a task that the encoder knows, a few crops of one picture would only disturb them.
        set_mode(self.network, train_decoder=self.new_decoder, train_encoder=not self.frozen and (self.new_decoder or not self.pretrained))
        with self._own_draws(), self.device.autocast():
            raw = forward(self.network, _to(batch.images, self.device), frozen=self.frozen)
        raw = raw.float()
        loss = self._loss(raw, batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        optimiser.step()
        metrics.add(float(loss.detach()), class_logits(raw.detach(), self.model.spec.n_classes), batch.labels.to(raw.device))

    def _loss(self, raw: torch.Tensor, batch: Batch) -> torch.Tensor:
        spec, on = self.model.spec, raw.device
        logits, labels = class_logits(raw, spec.n_classes), batch.labels.to(on)
        loss = losses.supervised(logits, labels, self.loss)
        said = None if batch.start is None else batch.start.probability.to(on)
        if said is not None:
            loss = loss + self.config.hold * losses.held(logits, said, labels)
        if spec.auxiliary:
            known, distance = batch.known.to(on), batch.distance.to(on)
            depth = asked = None
            if batch.start is not None and said is not None:  # where it was not asked (see `Crops`), its probabilities are all 0
                depth = losses.drawn_depth(batch.start.maps.to(on), labels)
                asked = (said.sum(1, keepdim=True) > 0.5).to(known.dtype)
            loss = loss + losses.maps(raw[:, spec.n_classes - 1 :], distance, known, depth, asked)
        return loss

    def halve(self, error: RuntimeError) -> str:
        """After `error`, which came of a step: half the batch where memory did not suffice, and a sentence; any other goes on up."""
        if not out_of_memory(error):
            raise error
        if self.batch == 1:
            raise TemsegError(
                f"Memory on {self.device.kind} does not suffice for one crop of {self.config.crop} px; choose a smaller crop."
            ) from error
        self.batch //= 2
        if self.optimiser is not None:
            self.optimiser.zero_grad(set_to_none=True)
        release()
        return f"memory did not suffice: batch halved to {self.batch}"

    def evaluate(
        self, windows: Iterable[LabelledPlane], part: str = "validation", scales: tuple[float, ...] = ()
    ) -> Generator[str, None, dict[str, float]]:
        """`PART_loss`, `PART_accuracy` and `PART_iou` on windows (see `ValidationSplit`), seen as the model will be used, or at other
        `scales`. Yields "" between windows.
        """
        metrics = TrainingMetrics()
        for window in windows:
            self._evaluate(window, metrics, scales or self.scales_for(window))
            yield ""
        return metrics.result(part)

    def _evaluate(self, window: LabelledPlane, metrics: TrainingMetrics, scales: tuple[float, ...]) -> None:
        labels = torch.from_numpy(window.labels)[None].long().to(self.device.torch)
        logits = self._logits(window, scales)
        metrics.add(float(losses.supervised(logits, labels, self.loss)), logits, labels)

    def said(self, window: LabelledPlane, scales: tuple[float, ...] = ()) -> npt.NDArray[np.float32]:
        """Probabilities (K, Y, X) of the classes on a window, as the model will be used."""
        return np.asarray(self._logits(window, scales or self.scales_for(window)).softmax(1)[0].cpu().numpy(), np.float32)

    def scales_for(self, window: LabelledPlane) -> tuple[float, ...]:
        """The working scales at which the model will look at a window: those that suit its picture where sizes are told, or found, picture
        by picture."""
        return window.scales if self.model.spec.working_size and not self.new_decoder and window.scales else self.model.scales

    def pixels(self, shape: tuple[int, ...], scales: tuple[float, ...] = ()) -> float:
        """Pixels that the network is shown of a window of this shape (Y, X) as the model will be used."""
        least = LEAST_VIEW if self.model.spec.working_size else 1
        return sum(math.prod(max(n * scale, least) for n in shape) for scale in scales or self.model.scales)

    @torch.no_grad()
    def _logits(self, window: LabelledPlane, scales: tuple[float, ...]) -> torch.Tensor:
        set_mode(self.network, train_decoder=False, train_encoder=False)
        with self.pace.looking(self.pixels(window.image.shape, scales)), self.threads.chosen(), self.device.autocast():
            raw = fused(self._output, window.image[None, None], scales, Looks.of(self.model))
        return class_logits(torch.from_numpy(raw).to(self.device.torch), self.model.spec.n_classes)

    def _output(self, tile: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        raw: torch.Tensor = self.network(_to(torch.from_numpy(tile), self.device))
        return raw.float().cpu().numpy()

    def tensors(self) -> Tensors:
        """The network's tensors, copied to the CPU."""
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in self.network.state_dict().items()}

    def load(self, tensors: Tensors) -> None:
        """Put tensors into the network."""
        self.network.load_state_dict(tensors)

    def state(self) -> LearnerState:
        """All that the next step depends on, copied."""
        moments: Tensors = {}
        if self.optimiser is not None:
            for index, state in self.optimiser.state_dict()["state"].items():
                moments |= {f"{index}/{name}": value.detach().to("cpu", copy=True).contiguous() for name, value in state.items()}
        return LearnerState(
            network=self.tensors(),
            optimiser=moments,
            random=self.random,
            new_decoder=self.new_decoder,
            frozen=self.frozen,
            batch=self.batch,
            settings={"learning_rate": self.config.learning_rate, "batch": self.config.batch},
            crops={"rng": self.crops.rng.bit_generator.state, "turn": self.crops.turn},
        )

    def restore(self, state: LearnerState) -> None:
        """Take up where `state` was taken; a new decoder must be there already (see `renew`). What does not fit raises as torch does."""
        self.config, self.batch = replace(self.config, **state.settings), state.batch
        self.load(state.network)
        self.crops.rng.bit_generator.state, self.crops.turn = state.crops["rng"], int(state.crops["turn"])
        self.freeze(state.frozen)
        optimiser = self.optimiser = self.new_optimiser()
        _fill(optimiser, state.optimiser)
        self.random = state.random


def _to(images: torch.Tensor, device: Device) -> torch.Tensor:
    return images.to(device.torch, memory_format=torch.channels_last)


def _fill(optimiser: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Moments and step counts by the parameter's number; laid out in memory as the parameter is, so that sums come out the same."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for name, tensor in tensors.items():
        index, _, what = name.partition("/")
        parameter = parameters[int(index)]
        same = tensor.shape == parameter.shape and tensor.ndim > 0
        optimiser.state[parameter][what] = torch.empty_like(parameter).copy_(tensor).detach() if same else tensor.clone()
