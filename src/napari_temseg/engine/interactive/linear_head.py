"""An answer to strokes within a second: nothing is trained, what the model said is corrected where it looks like what was stroked.

A stroke spreads over its own particle or patch of background (`Superpixels.spread`), and a linear correction of the model's logits on its
frozen features carries that over to places that look alike; everywhere else it is held to what the model said.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import nn
from torch.nn import functional as F

from napari_temseg.engine.interactive.both_sizes import each_size, of_either
from napari_temseg.engine.interactive.clear_particles import still_clear
from napari_temseg.engine.interactive.superpixels import Floats, Superpixels, cell_side
from napari_temseg.engine.interactive.under_stroke import UnderStrokes, with_other_sizes
from napari_temseg.engine.model.backends.by_torch import ByTorch
from napari_temseg.engine.model.device import choose_device
from napari_temseg.engine.model.outputs import probabilities, sigmoid
from napari_temseg.engine.model.prediction import fill
from napari_temseg.engine.model.runner import Runner
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.model.tiles import resize
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress, mapped
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS, Prediction

CHANGED = 0.15  # a cell whose probability moved by more than this has been taught something
SHARE = 0.3  # weight of all taught cells together, against all that the model is held to …
HELD_PARTICLES = 0.5  # … of which this share is what it takes for particles, however little of a picture that is
RIDGE = 1e-2
NEW = 0.02  # probability that a class unknown to the model starts with everywhere
BODY = 0.5  # of the typical depth of particles in px: what was gained and is thinner is an edge, not a particle
RIDGE_DEPTH = 0.3  # learnt depth at least along a stroke: people draw through the middle of one particle
SHOWN_SIDE, SHOWN_ROUND = 1536, 128  # px, enlarged, of the pieces of a large plane that are shown one after another, and round each
_CERTAIN = (1e-4, 1 - 1e-4)  # probabilities of which odds can be told
Mask = npt.NDArray[np.bool_]
Depth = npt.NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class Ground:
    """What answering needs of one plane: what the model says of it, its cells, and their frozen features (cells, F).

    `under` tells what lies under strokes on particles of another size than was looked for; None of a model for any size. `other` is that of
    the larger particles, where those of two sizes are meant.
    """

    prediction: Prediction
    cells: Superpixels
    features: npt.NDArray[np.float64]
    under: UnderStrokes | None = None
    other: Ground | None = None


class _Watching(ByTorch):
    """A network whose last features are looked at too: channels of the head, then those of the decoder."""

    def run(self, batch: torch.Tensor) -> torch.Tensor:
        encoder, decoder, head = (cast(nn.Module, getattr(self.network, name)) for name in ("encoder", "decoder", "segmentation_head"))
        decoded = decoder(encoder(batch))
        return torch.cat([head(decoded), decoded], dim=1)


def iter_ground(model: Segmenter, plane: Micrograph, config: PredictConfig, known: Prediction | None = None) -> Job[Ground]:
    """The job that looks at a plane (axes "YX") once, so that `answer` is quick; yields `Progress` between tiles.

    `known` is what the model said of the plane in a search: that is what strokes correct then, and features alone are looked for. Where
    `config` tells two sizes, the plane is looked at for either.
    """
    if plane.axes != "YX":
        raise TemsegError(f"{plane.name}: strokes are answered one plane at a time; give one plane of the stack.")
    two = each_size(config, plane.calibration.nanometres)
    if two is None:
        return _iter_ground(model, plane, config, known)

    def steps(control: Control) -> Generator[Progress, None, Ground]:
        small, large = (each.typical_size or 1.0 for each in two)
        share, found = large**2 / (small**2 + large**2), []  # small ones are shown larger
        for own, said, done, part in zip(two, (known, known and known.other), (0.0, share), (share, 1 - share), strict=True):
            job = _iter_ground(model, plane, own, said)
            for step in job:
                yield replace(step, fraction=done + part * step.fraction, elapsed=control.elapsed)
            found.append(job.result)
        return replace(found[0], other=found[1])

    return Job(steps)


def _iter_ground(model: Segmenter, plane: Micrograph, config: PredictConfig, known: Prediction | None) -> Job[Ground]:
    """The same for particles of one size."""

    def steps(control: Control) -> Generator[Progress, None, Ground]:
        watching = _Watching(model, choose_device(config.device, config.precision, half=True))
        watcher, outputs = Runner(model, config, plane.calibration.nanometres, watching), model.spec.n_outputs
        image = model.normalisation.apply(plane.plane(), plane.valid, plane.name)[None, None]
        side = cell_side(plane.frame)
        raws, features = [], []

        told = watcher.typical is not None and watcher.exact_size
        searched = watcher.searched(plane.frame) if watcher.adaptive and watcher.working_size and not told else 0.0

        def progress(share: float, before: float = 0.0, pixels: float = searched) -> Progress:
            """By the px that the network is shown: of so many, with so many `before`."""
            whole = searched + watcher.shown_of(plane.frame)
            return Progress("look", (before + share * pixels) / whole, f"{plane.name}: looking", control.elapsed)

        if watcher.adaptive:
            # Sees the outputs only: features of the whole picture at every scale would fill the memory.
            scout = Runner(model, config, plane.calibration.nanometres)
            yield from mapped(scout.settle(image[0, 0], plane.valid), progress)
            watcher.scales, watcher.adaptive = scout.scales, False
        before = searched
        for scale in watcher.scales:
            seen, pixels = _whole if scale <= 1 or image.size * scale**2 <= 2 * SHOWN_SIDE**2 else _piece_by_piece, image.size * scale**2
            raw, cells = yield from mapped(seen(watcher, image, scale, outputs, side), partial(progress, before=before, pixels=pixels))
            raws.append(raw)
            features.append(cells)
            before += pixels
            yield progress(1.0, before, 0.0)
        if known is not None:
            raw = raw_of(known)
            said = replace(known, parted=None, vouched=None, other=None)
            return replace(_ground(said, raw, image, np.concatenate(features), side), under=UnderStrokes.of(model, said, config))
        said = watcher.blank(model, plane)
        raw = watcher.looks.joined(raws, plane.frame)
        fill(said, raw)
        if watcher.tells:
            said = replace(said, unlike=(watcher.unlike(image[0, 0], raw, plane.valid),))
        return replace(_ground(said, raw, image, np.concatenate(features), side), under=UnderStrokes.of(model, said, config))

    return Job(steps)


def raw_of(known: Prediction) -> Floats:
    """Raw output (1, C, Y, X) that says what a prediction of a plane says, within half precision."""
    probability = np.clip(known.probability.astype(np.float32), *_CERTAIN)
    depths = [np.clip(depth.astype(np.float32), *_CERTAIN) for depth in known.auxiliary.values()]
    logs = [np.log(each / probability[0]) for each in probability[1:]] + [np.log(depth / (1 - depth)) for depth in depths]
    return np.asarray(np.stack(logs)[None], np.float32)


def _whole(watcher: Runner, image: Floats, scale: float, outputs: int, side: int) -> Generator[float, None, tuple[Floats, Floats]]:
    """Raw output (1, C, y, x) of an image (1, 1, Y, X) at `scale`, and the features (F, cy, cx) of its cells; yields the share done."""
    both = yield from watcher.tiled(watcher.shown(image, scale))
    return both[:, :outputs], resize(both[:, outputs:], _cells(image, side))[0]


def _piece_by_piece(watcher: Runner, image: Floats, scale: float, outputs: int, side: int) -> Generator[float, None, tuple[Floats, Floats]]:
    """The same of one that is shown enlarged, the raw output at its own size: whole, a plane of 4096² at 5× would fill any memory."""
    height, width = image.shape[-2:]
    step, halo = (max(1, math.ceil(reach / scale / side)) * side for reach in (SHOWN_SIDE, SHOWN_ROUND))
    places = [(y, x) for y in range(0, height, step) for x in range(0, width, step)]
    raw, features = np.zeros((1, outputs, height, width), np.float32), np.zeros((0, 0, 0), np.float32)
    for done, (y, x) in enumerate(places):
        top, left = max(0, y - halo), max(0, x - halo)
        part = image[..., top : y + step + halo, left : x + step + halo]
        seen = _whole(watcher, part, scale, outputs, side)
        near, cells = yield from mapped(seen, lambda share, done=done: (done + share) / len(places))  # type: ignore[misc]
        core = raw[..., y : y + step, x : x + step]
        core[...] = resize(near, part.shape[-2:])[..., y - top :, x - left :][..., : core.shape[-2], : core.shape[-1]]
        if not done:
            features = np.zeros((len(cells), *_cells(image, side)), np.float32)
        own = features[:, y // side : (y + step) // side, x // side : (x + step) // side]
        own[...] = cells[:, (y - top) // side :, (x - left) // side :][:, : own.shape[1], : own.shape[2]]
        yield (done + 1) / len(places)
    return raw, features


def _cells(image: Floats, side: int) -> tuple[int, int]:
    return -(-image.shape[-2] // side), -(-image.shape[-1] // side)


def _ground(said: Prediction, raw: Floats, image: Floats, features: Floats, side: int) -> Ground:
    prior = _pooled(probabilities(raw, len(said.class_ids)), side)[0]
    smooth = ndimage.gaussian_filter(image[0, 0], 1.0)[None, None]
    guide = [smooth, raw[:, : len(said.class_ids) - 1].clip(-6, 6) / 3]
    if said.auxiliary:
        guide.append(2 * sigmoid(raw[:, len(said.class_ids) - 1 :]))
    look = np.moveaxis(_pooled(np.concatenate(guide, axis=1), side)[0], 0, -1)
    flat = features.reshape(len(features), -1).T.astype(np.float64)
    spread = flat.std(axis=0)
    flat = np.clip((flat - flat.mean(axis=0)) / np.where(spread > 1e-6, spread, 1.0), -4, 4)
    return Ground(said, Superpixels(prior, look, side), np.c_[flat, np.ones(len(flat))])


def _pooled(maps: Floats, side: int) -> Floats:
    """Means (1, C, cy, cx) over cells; those at the lower and right edge may be smaller."""
    return F.avg_pool2d(torch.from_numpy(maps), side, ceil_mode=True, count_include_pad=False).numpy()


def answer(ground: Ground, strokes: npt.NDArray[np.uint8], *, depth: bool = True) -> Prediction:
    """What the plane looks like after `strokes` (uint8 (Y, X): 0 says nothing, 1 background, 2 … classes).

    A stroked pixel gets the class it was given. Without strokes it is the model's own prediction. `depth` makes the learnt depth follow,
    which splitting wants and the eye does not. Where two sizes are meant, the larger particles are the `other` of the answer.
    `TemsegError` when the shapes differ.
    """
    said = ground.prediction
    if strokes.shape != said.classes.shape:
        raise TemsegError(f"{said.micrograph.name}: the strokes have shape {strokes.shape}, the plane {said.classes.shape}.")
    if ground.other is not None:
        small, large = of_either(strokes, said, ground.other.prediction, (ground.under, ground.other.under))
        return replace(answer(replace(ground, other=None), small, depth=depth), other=answer(ground.other, large, depth=depth))
    if not strokes.any():
        return said
    n = max(len(said.class_ids), int(strokes.max()))
    prior = ground.cells.prior
    if ground.under is not None and (found := ground.under.found(said, strokes)):
        said, there = with_other_sizes(said, found, depth=depth)
        own = _pooled(there[None, None].astype(np.float32), ground.cells.side)[0] > 0
        prior = np.where(own, _pooled(said.probability.astype(np.float32)[None], ground.cells.side)[0], prior)
    prior = _widened(prior, n)
    tally = ground.cells.tally(strokes, n)
    taught = ground.cells.within_reach(prior, ground.cells.spread(prior, tally), tally)
    carried = _softmax(_logits(prior) + _carry_over(ground.features, prior, taught))
    final = ground.cells.within_reach(carried, ground.cells.spread(carried, tally), tally)
    change = _logits(final) - _logits(prior)
    before = _widened(said.probability.astype(np.float32), n)
    after = _softmax(_logits(before) + _enlarged(change, ground.cells.side, strokes.shape))
    after = still_clear(before, after, strokes, ground.cells.side, next(iter(said.auxiliary.values()), None))
    return _as_prediction(said, after, strokes, depth)


def _carry_over(features: npt.NDArray[np.float64], prior: Floats, taught: Floats) -> Floats:
    """Change of the logits (K, cy, cx) by ridge logistic regressions, one for each class but the background (IRLS, damped)."""
    change = np.zeros_like(prior)
    for k in range(1, len(prior)):
        p, target = prior[k].ravel().astype(np.float64), taught[k].ravel().astype(np.float64)
        moved = np.abs(target - p) > CHANGED
        if moved.any() and not moved.all():
            share = SHARE * min(1.0, moved.sum() / 40)
            weight = np.where(moved, share / moved.sum(), _held(p, moved))
            start = np.log(np.clip(p, 0.01, 0.99) / np.clip(1 - p, 0.01, 0.99))
            change[k] = (features @ _regressed(features, start, target, weight)).reshape(prior.shape[1:])
    return change


def _held(p: npt.NDArray[np.float64], moved: Mask) -> npt.NDArray[np.float64]:
    """Weights of cells that nobody taught anything, 1 together. By their number alone particles would count for next to nothing where they
    are sparse, and one grain of a support stroked as background would take all that look a little like it."""
    particle, rest = np.where(moved, 0, p), np.where(moved, 0, 1 - p)
    share = HELD_PARTICLES if particle.any() and rest.any() else float(particle.any())
    return np.asarray(share * particle / max(particle.sum(), 1e-9) + (1 - share) * rest / max(rest.sum(), 1e-9))


def _regressed(
    features: npt.NDArray[np.float64], start: npt.NDArray[np.float64], target: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    theta = np.zeros(features.shape[1])

    def cost(theta: npt.NDArray[np.float64]) -> float:
        z = start + features @ theta
        return float((weight * (np.logaddexp(0, z) - target * z)).sum() + 0.5 * RIDGE * theta @ theta)

    best = cost(theta)
    for _ in range(15):
        p = 1 / (1 + np.exp(-np.clip(start + features @ theta, -30, 30)))
        gradient = features.T @ (weight * (p - target)) + RIDGE * theta
        curvature = (features * (weight * np.maximum(p * (1 - p), 1e-4))[:, None]).T @ features + RIDGE * np.eye(len(theta))
        step, length = np.linalg.solve(curvature, gradient), 1.0
        while (new := cost(theta - length * step)) > best and length > 1e-3:
            length /= 2
        if new >= best:
            break
        theta, gained, best = theta - length * step, best - new, new
        if gained < 1e-5:
            break
    return theta


def _widened(probability: Floats, n: int) -> Floats:
    """Room for classes the model does not know."""
    missing = n - len(probability)
    if missing <= 0:
        return probability
    new = np.full((missing, *probability.shape[1:]), NEW, np.float32)
    return np.concatenate([probability * (1 - missing * NEW), new])


def _logits(probability: Floats) -> Floats:
    """Log odds against the background, held within what half precision and a confident model can still be talked out of."""
    logs = np.log(np.clip(probability, 0.01, 0.99))
    odds: Floats = logs - logs[:1]
    return odds


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=0))
    shares: Floats = (powers / powers.sum(axis=0)).astype(np.float32)
    return shares


def _enlarged(cells: Floats, side: int, frame: tuple[int, ...]) -> Floats:
    whole = F.interpolate(torch.from_numpy(cells)[None], scale_factor=side, mode="bilinear", align_corners=False)
    return whole[0, :, : frame[0], : frame[1]].numpy()


def _as_prediction(said: Prediction, probability: Floats, strokes: npt.NDArray[np.uint8], depth: bool) -> Prediction:
    """Strokes stand as they were drawn; depth follows them, as particles that were unknown have none to be split by."""
    y, x = np.nonzero(strokes)
    probability[:, y, x] = 0.01 / len(probability)
    probability[strokes[y, x] - 1, y, x] = 0.99
    probability /= probability.sum(axis=0)
    classes = (probability.argmax(axis=0) + BACKGROUND).astype(np.uint8)
    names = {**{number: f"class {number}" for number in range(1, len(probability) + 1)}, **said.class_names}
    auxiliary = dict(said.auxiliary)
    if depth:
        particles, drawn = classes >= FIRST_CLASS, strokes >= FIRST_CLASS
        known = said.classes >= FIRST_CLASS
        auxiliary = {name: _depth_after(learnt, particles, known, drawn) for name, learnt in auxiliary.items()}
    return replace(
        said,
        probability=probability.astype(np.float16),
        class_ids=tuple(range(1, len(probability) + 1)),
        class_names=names,
        classes=classes,
        auxiliary=auxiliary,
    )


def _depth_after(learnt: Depth, particles: Mask, known: Mask, drawn: Mask) -> Depth:
    """Learnt depth (Y, X) after strokes: none outside `particles`, the shape's where one is new, a ridge along a stroke that was `drawn`.

    A sliver that an outline gained keeps what was learnt, which is little: with a depth of its own it would be cut off as a particle.
    """
    depth = np.where(particles, learnt, np.zeros_like(learnt))
    labels, count = ndimage.label(particles & ~known)
    if count:
        away = ndimage.distance_transform_edt(labels > 0).astype(np.float32)
        deepest = np.zeros(count + 1, np.float32)
        np.maximum.at(deepest, labels.ravel(), away.ravel())
        inside = ndimage.distance_transform_edt(particles).astype(np.float32)
        typical = 2 * float(np.median(inside[particles]))  # pixels count: most of them lie in particles, not in specks
        new = (deepest >= BODY * typical)[labels] & (labels > 0)
        depth[new] = np.maximum(depth, np.minimum(1.0, away / np.maximum(np.maximum(deepest, typical), 1.0)[labels]))[new]
    depth[drawn & particles] = np.maximum(depth[drawn & particles], RIDGE_DEPTH)
    return depth
