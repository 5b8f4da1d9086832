"""Train a decoder, and if asked the encoder, from annotations; never ends with a worse model than it started from."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from napari_temseg.engine import losses
from napari_temseg.engine.annotations import Annotations
from napari_temseg.engine.augment import Augmentation
from napari_temseg.engine.config import TrainConfig
from napari_temseg.engine.device import Device, choose_device
from napari_temseg.engine.errors import TemsegError
from napari_temseg.engine.figures import Figures
from napari_temseg.engine.holdout import Parts, hold_out
from napari_temseg.engine.network import class_logits, forward, freeze_encoder, set_mode
from napari_temseg.engine.prediction import fused
from napari_temseg.engine.progress import Control, Job, Progress
from napari_temseg.engine.results import FIRST_CLASS
from napari_temseg.engine.segmenter import Segmenter
from napari_temseg.engine.starting import starting_model, with_start
from napari_temseg.engine.trainingset import KNOWN, Batch, Crops, planes_of

FIXED_STEPS = 40  # without a validation part: what was measured to help and not to harm on few strokes


def iter_train(annotations: Annotations, base: Segmenter | None, config: TrainConfig) -> Job[Segmenter]:
    """The job that trains: yields `Progress` every step, with the newest figures of both parts in `metrics`.

    `base` None makes a new U-Net as `config` says. Finishing keeps the best so far, cancelling discards. `TemsegError` when the
    labels cannot be trained on.
    """
    annotations.check()

    def steps(control: Control) -> Generator[Progress, None, Segmenter]:
        yield Progress("prepare", 0.0, "making the labels ready", control.elapsed)
        session = Session(annotations, base, config)
        yield Progress("prepare", 0.0, f"{session.parts.sentence}; {session.device.describe()}", control.elapsed)
        return (yield from session.run(control))

    return Job(steps)


class Session:
    """Everything one training needs, made once."""

    def __init__(self, annotations: Annotations, base: Segmenter | None, config: TrainConfig) -> None:
        self.config, self.annotations = config, annotations
        self.device: Device = choose_device(config.device, config.precision)
        self.base_hash = base.content_hash() if base else ""
        self.fresh = base is None
        self.model = starting_model(annotations, base, config)
        planes = planes_of(annotations, self.model.normalisation)
        if base is not None and config.hold > 0:
            planes = [with_start(plane, base, config) for plane in planes]
        self.start_classes = base.spec.n_classes if base else 0
        self.depth_taught = any(bool((plane.exact[KNOWN] * (plane.labels >= FIRST_CLASS)).any()) for plane in planes)
        self.parts: Parts = hold_out(planes, config.validation, config.seed)
        how = Augmentation(config.flips, config.scaling, config.elastic, config.brightness, config.contrast, config.gamma, config.noise)
        self.crops = Crops(self.parts.training, config.crop, how, config.seed, self.model.scales)
        self.network = self.model.network.to(self.device.torch, memory_format=torch.channels_last)  # type: ignore[call-overload]
        # A random encoder holds nothing worth freezing.
        self.pretrained = not self.fresh or config.encoder_weights is not None
        self.frozen = self.pretrained
        self.batch = config.batch
        self.curve: list[dict[str, float]] = []
        self.notes: list[str] = [] if self.frozen else ["the encoder starts from random weights, so it is trained too"]

    def run(self, control: Control) -> Generator[Progress, None, Segmenter]:
        """The loop: step, evaluate, keep the best."""
        config, validated = self.config, bool(self.parts.validation)
        limit = self._limit(validated)
        if config.unfreeze or not self.frozen:
            torch.manual_seed(config.seed)  # drop-path of a trained encoder draws from torch's own generator
        self._freeze(self.frozen)
        optimiser = self.optimiser()
        figures, step, waited = Figures(), 0, 0
        best, best_step, best_score = self._keep(), 0, (-1.0, -math.inf)
        if validated:
            self._record(step, figures)
            best_score = best_score if self.fresh else self._score()
        started = control.elapsed  # the budget is for steps: loading kernels for the first evaluation can take seconds
        while not control.finishing:
            share = max(step / limit, (control.elapsed - started) / config.max_seconds)
            if config.unfreeze and self.frozen and (share >= 0.5 or waited >= config.patience):
                self._freeze(False)
                optimiser, waited = self.optimiser(), 0
                self.notes.append(f"encoder unfrozen at step {step}")
            if share >= 1 or waited >= config.patience:
                break
            rate = self._peak() * min(1.0, (step + 1) / 5) * 0.5 * (1 + math.cos(math.pi * share))
            try:
                self.step(optimiser, rate, figures)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                yield Progress("train", share, self._halve(error, optimiser), control.elapsed)
                continue
            step += 1
            if validated and step % config.evaluate_every == 0:
                self._record(step, figures)
                waited += 1
                if self._score() > best_score:
                    best, best_step, best_score, waited = self._keep(), step, self._score(), 0
                figures = Figures()
            yield Progress("train", min(1.0, share), self._message(step, best_step), control.elapsed, self._metrics(step, figures))
        if not validated:
            self._record(step, figures)
            best, best_step = self._keep(), step
        elif self.curve[-1]["step"] != step:  # what was learnt since the last evaluation counts too
            self._record(step, figures)
            if self._score() > best_score:
                best, best_step = self._keep(), step
        return self._finish(best, best_step, step, control.elapsed - started)

    def _limit(self, validated: bool) -> int:
        """Steps at most: as configured, in steps or epochs; few where nothing tells when to stop and there is something to spoil."""
        limit = self.config.max_steps
        if self.config.epochs is not None:
            pixels = sum(plane.labels.size for plane in self.parts.training)
            limit = min(limit, self.config.epochs * max(1, math.ceil(pixels / (self.config.batch * self.config.crop**2))))
        trusted = validated or self.fresh or self.config.validation == 0
        return limit if trusted else min(limit, FIXED_STEPS)

    def step(self, optimiser: torch.optim.Optimizer, rate: float, figures: Figures) -> None:
        """One step of the optimiser at the learning rate `rate`; its figures are added to `figures`."""
        for group in optimiser.param_groups:
            group["lr"] = rate * group["share"]
        batch = self.crops.draw(self.batch)
        set_mode(self.network, train_decoder=self.fresh, train_encoder=not self.pretrained)
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
        loss = losses.supervised(logits, labels, self.config.loss)
        start = None if batch.start is None else batch.start.to(raw.device)
        if start is not None:
            loss = loss + self.config.hold * losses.held(logits, start[:, : self.start_classes], labels)
        if spec.auxiliary:
            known, distance = batch.known.to(raw.device), batch.distance.to(raw.device)
            loss = loss + losses.maps(
                raw[:, spec.n_classes - 1 :], distance, known, None if start is None else start[:, self.start_classes :]
            )
        return loss

    @torch.no_grad()
    def _judge(self) -> dict[str, float]:
        """Loss, accuracy and IoU on the validation windows, seen as the model will be used: at its working scales."""
        set_mode(self.network, train_decoder=False, train_encoder=False)
        figures = Figures()
        for window in self.parts.validation:
            image = torch.from_numpy(window.smooth[:1])[None]
            labels = torch.from_numpy(window.labels)[None].long().to(self.device.torch)
            with self.device.autocast():
                raw = fused(lambda tile: self.network(_to(tile, self.device)).float(), image, self.model.scales)
            logits = class_logits(raw, self.model.spec.n_classes)
            figures.add(float(losses.supervised(logits, labels, self.config.loss)), logits, labels)
        return figures.result("validation")

    def _record(self, step: int, figures: Figures) -> None:
        judged = self._judge() if self.parts.validation else {}
        self.curve.append({"step": float(step), **figures.result("train"), **judged})

    def _score(self) -> tuple[float, float]:
        """IoU first; the loss decides between equals, as thin strokes soon all are."""
        newest = self.curve[-1]
        return round(newest["validation_iou"], 4), -newest["validation_loss"]

    def _metrics(self, step: int, figures: Figures) -> dict[str, float]:
        return {**(self.curve[-1] if self.curve else figures.result("train")), "now": float(step)}

    def _message(self, step: int, best_step: int) -> str:
        if not self.parts.validation:
            return f"step {step}; {self.parts.sentence}"
        score = {int(point["step"]): point["validation_iou"] for point in self.curve}
        untouched = "" if self.fresh else f"; untouched model {score[0]:.3f}"
        return f"best: validation IoU {score[best_step]:.3f} at step {best_step}{untouched}"

    def _peak(self) -> float:
        return self.config.learning_rate or 2e-3

    def optimiser(self) -> torch.optim.AdamW:
        """A fresh AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) over what is not frozen."""
        encoder = [p for p in self._part("encoder").parameters() if p.requires_grad]
        others = [p for part in ("decoder", "segmentation_head") for p in self._part(part).parameters()]
        groups: list[dict[str, Any]] = [{"params": others, "share": 1.0}]
        if encoder:
            # An encoder that already knows something is moved gently; a random one is not.
            groups.append({"params": encoder, "share": 0.15 if self.pretrained else 1.0})
        return torch.optim.AdamW(groups, lr=self._peak(), weight_decay=self.config.weight_decay)

    def _part(self, name: str) -> nn.Module:
        part: nn.Module = getattr(self.network, name)
        return part

    def _freeze(self, frozen: bool) -> None:
        self.frozen = frozen
        freeze_encoder(self.network, frozen)

    def _halve(self, error: RuntimeError, optimiser: torch.optim.Optimizer) -> str:
        """Out of memory: half the batch, and say so; any other error goes on up."""
        text = str(error).lower()
        if not (
            isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "allocate memory" in text or "not enough memory" in text
        ):
            raise error
        if self.batch == 1:
            raise TemsegError(
                f"Memory on {self.device.kind} does not suffice for one crop of {self.config.crop} px; choose a smaller crop."
            ) from error
        self.batch //= 2
        optimiser.zero_grad(set_to_none=True)
        if self.device.kind == "cuda":
            torch.cuda.empty_cache()
        self.notes.append(f"memory did not suffice: batch halved to {self.batch}")
        return self.notes[-1]

    def _keep(self) -> dict[str, torch.Tensor]:
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in self.network.state_dict().items()}

    def _finish(self, best: dict[str, torch.Tensor], best_step: int, step: int, seconds: float) -> Segmenter:
        self.network.load_state_dict(best)
        freeze_encoder(self.network, False)
        network = self.network.to("cpu", memory_format=torch.contiguous_format)
        counts = {count.name: {"pixels": count.pixels, "objects": count.objects} for count in self.annotations.counts().values()}
        weights = self.config.encoder_weights  # a name or a path: where it lay on this machine is nobody's business
        record = {
            "kind": "trained",
            "base": self.base_hash,
            "config": {**self.config.to_dict(), "encoder_weights": weights and Path(weights).name},
            "labels": counts,
            "device": self.device.describe(),
            "validation": self.parts.sentence,
            "notes": self.notes,
            "depth_taught": self.depth_taught,
            "steps": step,
            "best_step": best_step,
            "seconds": round(seconds, 2),
            "curve": self.curve,
        }
        name = self.model.name if best_step == 0 and not self.fresh else f"{self.model.name or 'model'}+"
        return replace(self.model, network=network, history=[*self.model.history, record], name=name)


def _to(images: torch.Tensor, device: Device) -> torch.Tensor:
    return images.to(device.torch, memory_format=torch.channels_last)
