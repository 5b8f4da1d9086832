"""A network that learns: its optimiser, one step on drawn crops, and how it does on windows of the validation part."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from napari_temseg.engine.model.device import Device, choose_device, out_of_memory, release
from napari_temseg.engine.model.network import class_logits, forward, freeze_encoder, renew_decoder, set_mode
from napari_temseg.engine.model.prediction import fused
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.training import losses
from napari_temseg.engine.training.dataset import Batch, Crops, Plane
from napari_temseg.engine.training.metrics import Figures
from napari_temseg.engine.types.config import TrainConfig
from napari_temseg.engine.types.errors import TemsegError

RATE = 2e-3  # peak of the learning rate unless the settings say otherwise
GENTLE = 0.15  # share of it for an encoder that already knows something …
BOLD = 1.0  # … and where that was another task, as a new decoder shows


class Learner:
    """The network of one training, on its device, and what it learns from.

    `model` describes the network, which is moved and changed in place; `start_classes` is the number of classes of the model it
    started from, 0 for a new network.
    """

    def __init__(self, model: Segmenter, crops: Crops, config: TrainConfig, start_classes: int) -> None:
        self.model, self.crops, self.config, self.start_classes = model, crops, config, start_classes
        self.device: Device = choose_device(config.device, config.precision)
        self.network = model.network.to(self.device.torch, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.new_decoder = start_classes == 0
        # A random encoder holds nothing worth freezing.
        self.pretrained = not self.new_decoder or config.encoder_weights is not None
        self.frozen = self.pretrained
        self.draws = config.unfreeze or not self.frozen  # drop-path of a trained encoder draws from torch's own generator
        self.batch = config.batch

    @property
    def loss(self) -> str:
        """The loss on labelled pixels, see `losses.supervised`."""
        automatic = "cross-entropy+dice" if self.new_decoder else "cross-entropy"
        return automatic if self.config.loss == "auto" else self.config.loss

    def renew(self, crops: Crops) -> None:
        """Begin with a new decoder on the encoder there is, at the scale of `crops`."""
        renew_decoder(self.network, self.model.spec, self.config.seed)
        self.crops, self.model = crops, replace(self.model, scales=crops.scales)
        self.new_decoder = True

    def variant(self, config: TrainConfig) -> Learner:
        """One like this as it stands, with a network and settings of its own; its crops are drawn from the beginning."""
        twin, network = copy.copy(self), copy.deepcopy(self.network)
        twin.config, twin.batch, twin.network, twin.model = config, config.batch, network, replace(self.model, network=network)
        twin.crops = copy.copy(self.crops)
        twin.crops.rng, twin.crops.turn = np.random.default_rng(config.seed), 0
        return twin

    def freeze(self, frozen: bool) -> None:
        """Hold the encoder as it is, or let it learn too."""
        self.frozen = frozen
        freeze_encoder(self.network, frozen)

    def peak(self) -> float:
        """The highest learning rate."""
        return self.config.learning_rate or RATE

    def optimiser(self) -> torch.optim.AdamW:
        """A fresh AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) over what is not frozen."""
        encoder = [p for p in self._part("encoder").parameters() if p.requires_grad]
        others = [p for part in ("decoder", "segmentation_head") for p in self._part(part).parameters()]
        groups: list[dict[str, Any]] = [{"params": others, "share": 1.0}]
        if encoder:
            groups.append({"params": encoder, "share": (BOLD if self.new_decoder else GENTLE) if self.pretrained else 1.0})
        return torch.optim.AdamW(groups, lr=self.peak(), weight_decay=self.config.weight_decay)

    def _part(self, name: str) -> nn.Module:
        part: nn.Module = getattr(self.network, name)
        return part

    def step(self, optimiser: torch.optim.Optimizer, rate: float, figures: Figures) -> None:
        """One step of the optimiser at the learning rate `rate`; its figures are added to `figures`."""
        for group in optimiser.param_groups:
            group["lr"] = rate * group["share"]
        batch = self.crops.draw(self.batch)
        # Another tissue has other statistics; for a task that the encoder knows, a few crops of one picture would only disturb them.
        set_mode(self.network, train_decoder=self.new_decoder, train_encoder=not self.frozen and (self.new_decoder or not self.pretrained))
        with self.device.autocast():
            raw = forward(self.network, _to(batch.images, self.device), frozen=self.frozen)
        raw = raw.float()
        loss = self._loss(raw, batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        optimiser.step()
        figures.add(float(loss.detach()), class_logits(raw.detach(), self.model.spec.n_classes), batch.labels.to(raw.device))

    def _loss(self, raw: torch.Tensor, batch: Batch) -> torch.Tensor:
        spec = self.model.spec
        logits, labels = class_logits(raw, spec.n_classes), batch.labels.to(raw.device)
        loss = losses.supervised(logits, labels, self.loss)
        start = None if batch.start is None else batch.start.to(raw.device)
        if start is not None:
            loss = loss + self.config.hold * losses.held(logits, start[:, : self.start_classes], labels)
        if spec.auxiliary:
            known, distance = batch.known.to(raw.device), batch.distance.to(raw.device)
            depth = asked = None
            if start is not None:  # where the starting model was not asked (see `Crops`), its probabilities are all 0
                depth = losses.drawn_depth(start[:, self.start_classes :], labels)
                asked = (start[:, : self.start_classes].sum(1, keepdim=True) > 0.5).to(known.dtype)
            loss = loss + losses.maps(raw[:, spec.n_classes - 1 :], distance, known, depth, asked)
        return loss

    @torch.no_grad()
    def judge(self, window: Plane, figures: Figures) -> None:
        """Add loss, accuracy and IoU on a window (see `Parts`), seen as the model will be used: at its working scales."""
        set_mode(self.network, train_decoder=False, train_encoder=False)
        image = torch.from_numpy(window.smooth[:1])[None]
        labels = torch.from_numpy(window.labels)[None].long().to(self.device.torch)
        with self.device.autocast():
            raw = fused(lambda tile: self.network(_to(tile, self.device)).float(), image, self.model.scales)
        logits = class_logits(raw, self.model.spec.n_classes)
        figures.add(float(losses.supervised(logits, labels, self.loss)), logits, labels)

    def halve(self, error: RuntimeError, optimiser: torch.optim.Optimizer) -> str:
        """After `error`, which came of a step: half the batch where memory did not suffice, and a sentence; any other goes on up."""
        if not out_of_memory(error):
            raise error
        if self.batch == 1:
            raise TemsegError(
                f"Memory on {self.device.kind} does not suffice for one crop of {self.config.crop} px; choose a smaller crop."
            ) from error
        self.batch //= 2
        optimiser.zero_grad(set_to_none=True)
        release()
        return f"memory did not suffice: batch halved to {self.batch}"

    def keep(self) -> dict[str, torch.Tensor]:
        """The network's tensors, copied to the CPU."""
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in self.network.state_dict().items()}


def _to(images: torch.Tensor, device: Device) -> torch.Tensor:
    return images.to(device.torch, memory_format=torch.channels_last)
