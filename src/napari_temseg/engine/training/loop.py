"""Train a decoder, and if asked the encoder, from annotations; never ends with a worse model than it started from."""

from __future__ import annotations

import copy
import math
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from napari_temseg.engine.model.network import freeze_encoder
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.training import selection
from napari_temseg.engine.training.augment import Augmentation
from napari_temseg.engine.training.checkpoint import Checkpoint, Saving, Store
from napari_temseg.engine.training.dataset import KNOWN, Crops, Plane
from napari_temseg.engine.training.learner import Learner
from napari_temseg.engine.training.metrics import Figures
from napari_temseg.engine.training.preview import Look, Previews
from napari_temseg.engine.training.selection import LOOKS, MATERIAL, TOLERATED
from napari_temseg.engine.training.sparse_labels import MISTAKEN, agreement, is_sparse, steps_for
from napari_temseg.engine.training.starting_model import AT_SCALE, at_one_scale, prepared, starting_model
from napari_temseg.engine.training.validation import Parts, hold_out
from napari_temseg.engine.types.annotations import Annotations
from napari_temseg.engine.types.config import TrainConfig
from napari_temseg.engine.types.progress import Control, Job, Progress, mapped
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS, Prediction

FIXED_STEPS = 40  # where much is labelled, but in too few places for a validation part
SHOW_EVERY = 10  # steps between previews, without a validation part
NOISE = 0.05  # validation IoU on strokes: by less than this an earlier step is no better than a later one
ENOUGH = 0.6  # of the steps that strokes are worth: with fewer it is said that more time would help
USELESS = 0.2  # validation IoU: with whole planes labelled, the decoder of a model below it is better replaced than retrained
CALM, LEAST_CALM = 0.25, 10  # share of the steps so far, and steps, in which the rate falls to 0 once patience is at its end
THAW, EARLY_THAW = 0.5, 0.1  # of the budget, before the encoder is unfrozen; the latter where the decoder is new: the task is another one
EVALUATE_SHARE = 0.1  # of the time budget: the curves wait no longer for a point, however slow the machine


def iter_train(
    annotations: Annotations, base: Segmenter | None, config: TrainConfig, look: Look | None = None, store: Store | None = None
) -> Job[Segmenter]:
    """The job that trains: yields `Progress` at least every step.

    `base` None makes a new U-Net as `config` says. Finishing keeps the best so far, cancelling discards. `look` is asked from time
    to time for a plane (axes "YX"), and a `Prediction` of it by the network of that moment arrives as a `preview`: before the
    first step, after steps that made it better, and of the best at the end unless the job was asked to finish. `store` gets a
    checkpoint every half minute; where it holds one of this very training, that one goes on, with the time and the steps it had left.

    `metrics` of the last "prepare" tell of the labels (see `Session.facts`), those of "train" hold the newest figures, the
    steps done (`now`) and the `best_step`. Every point of the curves arrives once, and only a point has a `step`. `TemsegError`
    when the labels cannot be trained on.
    """
    annotations.check()

    def steps(control: Control) -> Generator[Progress, None, Segmenter]:
        saving = Saving(store, annotations, base, config)
        found = saving.found()
        planes = yield from prepared(annotations, base, config, control)
        session = Session(annotations, base, config, planes)
        yield Progress("prepare", 0.0, f"{session.parts.sentence}; {session.learner.device.plain()}", control.elapsed, session.facts())
        if found is not None:
            yield from session.go_on(found, saving, control)
        return (yield from session.run(control, look, saving))

    return Job(steps)


class Session:
    """Everything one training needs, made once."""

    def __init__(self, annotations: Annotations, base: Segmenter | None, config: TrainConfig, planes: list[Plane] | None = None) -> None:
        if planes is None:
            planes = Job(lambda control: prepared(annotations, base, config, control)).drain()
        self.config, self.counts = config, annotations.counts()
        self.base_hash = base.content_hash() if base else ""
        self.fresh = base is None
        planes, unlabelled = [plane for plane in planes if plane.labelled], [plane for plane in planes if not plane.labelled]
        untouched = starting_model(annotations, base, config)
        model = at_one_scale(untouched, planes)
        self.first_scales = model.scales
        self.start_scales: dict[str, Any] = {name: getattr(untouched, name) for name in AT_SCALE}
        shown = any(bool((plane.exact[KNOWN] * (plane.labels >= FIRST_CLASS)).any()) for plane in planes)
        self.depth_taught = shown or (base is not None and base.depth_taught)
        self.parts: Parts = hold_out(planes, config.validation, config.seed)
        self.whole = all(plane.whole for plane in planes)
        self.sparse = base is not None and is_sparse(planes)
        names = [item.micrograph.name for item in annotations.items for _ in item.planes()]
        self.labelled = list(zip(names, planes, strict=True)) if self.sparse else []
        beside = (*annotations.unlabelled, *annotations.watched)
        self.beside = [(each.name, plane) for each, plane in zip(beside, unlabelled, strict=False)]
        self.mistaken = self.sparse and agreement(planes, base.spec.n_classes if base else 0) < MISTAKEN
        self.drawn = [*self.parts.training, *(plane for plane in unlabelled if not plane.watched)]
        self.learner = Learner(model, self.crops_at(model.scales), config, base.spec.n_classes if base else 0)
        self.curve: list[dict[str, float]] = []
        self.notes: list[str] = [] if self.learner.frozen else ["the encoder starts from random weights, so it is trained too"]
        self.control, self.figures, self.steps, self.share = Control(), Figures(), 0, 0.0
        self.best, self.best_step, self.best_score = self.learner.keep(), 0, (-1.0, -math.inf)
        self.untouched = {} if self.fresh else self.best  # what a checkpoint need not hold
        self.warm: torch.optim.Optimizer | None = None  # the optimiser in use, from the first step or from what went before
        self.waited = 0  # regular evaluations since the best
        self.wind_down: tuple[int, float] | None = None  # step and share of the budget at which patience was at its end
        self.tuned: Any = None  # what a search of the settings tried, the best first
        self.spent, self.opening = 0.0, 0.0  # s: in earlier starts; until the first step
        self.evaluated, self.cost = 0.0, 0.0  # when the newest point was made, on the clock of the job, and how long it took (s)

    def facts(self) -> dict[str, float]:
        """Of the labels: `background_share` of their pixels, `pixels_N` and `objects_N` of class N, and the connected
        `validation_regions` that are held out, in all and of class N (`validation_regions_N`).
        """
        pixels = {number: count.pixels for number, count in self.counts.items()}
        held = {n: sum(int(ndimage.label(part.labels == n, np.ones((3, 3)))[1]) for part in self.parts.validation) for n in pixels}
        facts: dict[str, float] = {"background_share": pixels[BACKGROUND] / sum(pixels.values()), "validation_regions": sum(held.values())}
        for number, count in self.counts.items():
            facts |= {f"pixels_{number}": count.pixels, f"objects_{number}": count.objects, f"validation_regions_{number}": held[number]}
        return facts

    def variant(self, config: TrainConfig) -> Session:
        """A training like this one as it stands, on the same labels, with a network and settings of its own."""
        twin = copy.copy(self)
        twin.config, twin.learner = config, self.learner.variant(config)
        twin.curve, twin.notes, twin.figures = list(self.curve), list(self.notes), Figures()
        return twin

    def go_on(self, found: Checkpoint, saving: Saving, control: Control) -> Generator[Progress, None, None]:
        """Take up where a checkpoint was taken; yields the curves so far."""
        saving.put_back(self, found)
        self.control = control
        yield from self.points()

    def points(self) -> Generator[Progress, None, None]:
        """The curves so far, a point each."""
        for point in self.curve:
            metrics = {**point, "now": float(self.steps), "best_step": float(self.best_step)}
            yield Progress("train", min(1.0, self.share), "", self.control.elapsed, metrics)

    def judged(self, control: Control) -> Generator[Progress, None, None]:
        """The first point of the curves: the starting model on the validation part."""
        self.control = control
        yield from self._evaluate()
        self._renew_useless()

    def trial(self, control: Control, seconds: float, steps: int, least: int = 1) -> Generator[Progress, None, None]:
        """At least `least` steps, at most `steps`, at the full learning rate, then a point of the curves; `run` goes on from there."""
        self.control, until, last = control, control.elapsed + seconds, self.steps + steps
        self.learner.freeze(self.learner.frozen)
        self.warm = self.warm or self.learner.optimiser()
        while not control.finishing and self.steps < last:
            if (yield from self._step(self.warm)):
                yield self.progress()
            if control.elapsed >= until and self.steps >= last - steps + least:
                break
        if self.curve[-1]["step"] != self.steps:
            yield from self._evaluate()

    def run(self, control: Control, look: Look | None = None, saving: Saving | None = None) -> Generator[Progress, None, Segmenter]:
        """The loop: step, evaluate, keep the best."""
        config, validated, previews = self.config, bool(self.parts.validation), Previews(look, self.config, control)
        self.control, limit, begun = control, self.limit(validated), control.elapsed - self.spent
        if self.learner.draws and not self.spent:
            torch.manual_seed(config.seed)
        self.learner.freeze(self.learner.frozen)
        optimiser = self.warm = self.warm or self.learner.optimiser()
        if validated and not self.curve:
            yield from self.judged(control)
        yield from self._show(previews, self.steps)
        # The last evaluation and preview are within the budget too; but half of it is for steps, however long the first ones took.
        self.opening = self.opening or control.elapsed - begun
        started, self.evaluated = begun + self.opening, control.elapsed
        judging = self.cost * self._looks()
        seconds = max(config.max_seconds - self.opening - judging - previews.cost, 0.5 * config.max_seconds)
        while not control.finishing:
            self.share = max(self.steps / limit, (control.elapsed - started) / seconds)
            if self._thaws():
                optimiser = self.warm = self.learner.optimiser()
            self.share = max(self.share, self._wound_down())
            if self.share >= 1:
                break
            if not (yield from self._step(optimiser)):
                continue
            worth_showing = not validated and self.steps % SHOW_EVERY == 0
            regular = self.steps % config.evaluate_every == 0
            if regular or self._overdue():
                better = yield from self._evaluate()
                self.waited = 0 if better else self.waited + int(regular)
                worth_showing |= validated and better
            else:
                yield self.progress()
            if worth_showing:
                yield from self._show(previews, self.steps)
            yield from self._save(saving, control.elapsed - begun)
        if control.finishing:  # to go on later, if at all, as if nobody had asked for an end
            yield from self._save(saving, control.elapsed - begun, last=True)
        if not self.curve or self.curve[-1]["step"] != self.steps:  # what was learnt since the last evaluation counts too
            yield from self._evaluate()
        yield from selection.reconsider(self)
        yield from selection.choose_scales(self)
        yield from selection.restrain(self)
        if self.sparse and not control.finishing and self.steps < ENOUGH * limit and self.wind_down is None:
            self.notes.append(f"the time sufficed for {self.steps} of the {limit} steps that these labels are worth: allow more")
        spent = control.elapsed - begun
        self.learner.network.load_state_dict(self.best)
        if not control.finishing and self.best_step:
            yield from selection.look_back(self)
        yield from self._show(previews, self.best_step, at_once=True)
        return self._finish(spent)

    def _step(self, optimiser: torch.optim.Optimizer) -> Generator[Progress, None, bool]:
        """One step, and whether it was taken: where memory did not suffice, the next has a smaller batch."""
        try:
            self.learner.step(optimiser, self._rate(), self.figures)
        except RuntimeError as error:
            self.notes.append(self.learner.halve(error, optimiser))
            yield self.progress(self.notes[-1])
            return False
        self.steps += 1
        return True

    def _save(self, saving: Saving | None, spent: float, last: bool = False) -> Generator[Progress, None, None]:
        told = "" if saving is None else saving.write(self, spent, at_once=last and saving.saved)
        if told:
            self.notes += [told] if told not in self.notes else []
            yield self.progress(told)

    def limit(self, validated: bool) -> int:
        """Steps at most: as configured, in steps or epochs; few where nothing tells when to stop and there is something to spoil."""
        limit = self.config.max_steps
        if self.config.epochs is not None:
            pixels = sum(plane.labels.size for plane in self.parts.training)
            limit = min(limit, self.config.epochs * max(1, math.ceil(pixels / (self.config.batch * self.config.crop**2))))
        if self.fresh or self.config.validation == 0:
            return limit
        if self.sparse:
            return min(limit, steps_for(sum(count.objects for count in self.counts.values())))
        return limit if validated else min(limit, FIXED_STEPS)

    def _overdue(self) -> bool:
        """Whether so much of the budget went by without a point of the curves that one is due, if points are not too dear."""
        return self.control.elapsed - self.evaluated >= max(EVALUATE_SHARE * self.config.max_seconds, 2 * self.cost)

    def _evaluate(self) -> Generator[Progress, None, bool]:
        """Add a point to the curves; the network is kept, and the answer is True, when it is the best so far."""
        judged: dict[str, float] = {}
        began = self.control.elapsed
        if self.parts.validation:
            judged = yield from self.judge()
        self.evaluated = self.control.elapsed
        self.cost = self.evaluated - began
        self.curve.append({"step": float(self.steps), **self.figures.result("train"), **judged})
        self.figures = Figures()
        # IoU first; the loss decides between equals, as thin strokes soon all are. With nothing to judge by, later is better.
        score = (round(judged["validation_iou"], 4), -judged["validation_loss"]) if judged else (0.0, float(self.steps))
        untrained = self.fresh and self.steps == 0
        better = score > self.best_score and not untrained
        if judged and self.steps and not self.fresh:
            if self.best_step == 0:
                better = score[0] >= self.best_score[0] + (-TOLERATED if self.mistaken else MATERIAL)
            elif self.sparse:  # the rate falls, so later steps are calmer; a few strokes hardly tell one from another
                better = score[0] >= max(point["validation_iou"] for point in self.curve[1:]) - NOISE
        if better:
            self.best, self.best_step, self.best_score = self.learner.keep(), self.steps, score
        yield self.progress(point=True)
        return better

    def _looks(self) -> float:
        """What the judging at the end costs, as a multiple of the first: with a new decoder several working scales are tried."""
        looks = LOOKS if self.learner.new_decoder else [self.first_scales]
        return sum(scale**2 for scales in looks for scale in scales) / sum(scale**2 for scale in self.first_scales)

    def _renew_useless(self) -> None:
        """Where whole planes are labelled there is nothing to hold on to: a model that is of no use for them gives its encoder only."""
        if self.learner.new_decoder or not self.whole or self.curve[0]["validation_iou"] >= USELESS:
            return
        self.renew()
        self.notes.append("the starting model is of no use for these labels, so its decoder began anew")

    def renew(self) -> None:
        """Begin with a new decoder, at one scale, on what is labelled alone."""
        self.drawn = [plane.bare for plane in self.drawn if plane.labelled]
        self.learner.renew(self.crops_at(LOOKS[0]))

    def crops_at(self, scales: tuple[float, ...]) -> Crops:
        """What the steps learn from, seen at these scales."""
        of = self.config
        how = Augmentation(of.flips, of.scaling, of.elastic, of.brightness, of.contrast, of.gamma, of.noise)
        return Crops(self.drawn, of.crop, how, of.seed, scales)

    def judge(self, held: list[Plane] | None = None) -> Generator[Progress, None, dict[str, float]]:
        """Loss, accuracy and IoU on the validation windows or those given, seen as the model will be used: at its working scales."""
        figures = Figures()
        for window in self.parts.validation if held is None else held:
            self.learner.judge(window, figures)
            yield self.progress()
        return figures.result("validation")

    def _show(self, previews: Previews, step: int, at_once: bool = False) -> Generator[Progress, None, None]:
        """A preview, when due, of the network as it is after `step` steps."""
        shown = yield from mapped(previews.show(self.learner.model, at_once), self.progress)
        if shown is not None:
            yield self.progress(preview=replace(shown, depth_taught=self.depth_taught) if step else shown)

    def progress(self, message: str = "", preview: Prediction | None = None, point: bool = False) -> Progress:
        """Where training stands, with the newest figures; with `step` only when they are a new `point` of the curves."""
        newest = dict(self.curve[-1] if self.curve else self.figures.result("train"))
        if not point:
            newest.pop("step", None)
        metrics = {**newest, "now": float(self.steps), "best_step": float(self.best_step)}
        return Progress("train", min(1.0, self.share), message or self._message(), self.control.elapsed, metrics, preview)

    def _message(self) -> str:
        if not self.parts.validation or not self.curve:
            return f"step {self.steps}; {self.parts.sentence}"
        score = {int(point["step"]): point["validation_iou"] for point in self.curve}
        untouched = "" if self.fresh else f"; untouched model {score[0]:.3f}"
        return f"best: validation IoU {score[self.best_step]:.3f} at step {self.best_step}{untouched}"

    def _wound_down(self) -> float:
        """The least share of the budget that counts as spent: where patience is at its end, the rate falls to 0 in the next few steps.

        At a high rate the steps jump about, and the best of them is best by luck; the calm that follows is what training is for.
        """
        if self.wind_down is None and self.waited >= self.config.patience:
            self.wind_down = (self.steps, self.share)
            self.notes.append(f"nothing better for {self.config.patience} evaluations: brought to an end from step {self.steps} on")
        if self.wind_down is None:
            return 0.0
        since, share = self.wind_down
        return share + (1 - share) * (self.steps - since) / max(LEAST_CALM, CALM * since)

    def _rate(self) -> float:
        """Learning rate of the next step: a short rise, then a cosine to 0 at the end of the budget."""
        return self.learner.peak() * min(1.0, (self.steps + 1) / 5) * 0.5 * (1 + math.cos(math.pi * self.share))

    def _thaws(self) -> bool:
        """Unfreeze the encoder when it is time for that, and say whether it was."""
        due = self.share >= (EARLY_THAW if self.learner.new_decoder else THAW) or self.waited >= self.config.patience
        if not (self.config.unfreeze and self.learner.frozen and due):
            return False
        self.learner.freeze(False)
        self.waited = 0
        self.notes.append(f"encoder unfrozen at step {self.steps}")
        return True

    def _released(self) -> Segmenter:
        """The model as it will be used: it was moved, no more, so which scales suit a picture it tells by itself as before.

        Unless it goes by the pixel size, or has a new decoder, which learnt at the scales that it has.
        """
        model = self.learner.model
        if self.best_step == 0 and not self.fresh:  # as it was
            return replace(model, **self.start_scales)
        if self.learner.new_decoder or model.pixel_size:
            return model
        return replace(model, scales=self.start_scales["scales"], fixed_scale=self.start_scales["fixed_scale"])

    def _finish(self, seconds: float) -> Segmenter:
        """The model of the network as it is, which is the best, with how it came about."""
        freeze_encoder(self.learner.network, False)
        model, network = self._released(), self.learner.network.to("cpu", memory_format=torch.contiguous_format)
        counts = {count.name: {"pixels": count.pixels, "objects": count.objects} for count in self.counts.values()}
        weights = self.config.encoder_weights  # a name or a path: where it lay on this machine is nobody's business
        record = {
            "kind": "trained",
            "base": self.base_hash,
            "config": {**self.config.to_dict(), "encoder_weights": weights and Path(weights).name},
            "labels": counts,
            "device": self.learner.device.describe(),
            "validation": self.parts.sentence,
            "notes": self.notes,
            "depth_taught": self.depth_taught,
            "steps": self.steps,
            "best_step": self.best_step,
            "seconds": round(seconds, 2),
            "curve": self.curve,
        }
        if self.tuned is not None:
            record["tuned"] = self.tuned
        history = [*model.history, record]
        name = model.name if self.best_step == 0 and not self.fresh else f"{model.name or 'model'}+"
        return replace(model, network=network, history=history, name=name)
