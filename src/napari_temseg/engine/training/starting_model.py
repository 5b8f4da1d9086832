"""What a training starts from: the model, and what it says of the planes before anything is learnt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import torch

from napari_temseg.engine.model.network import NetworkSpec, extend_head
from napari_temseg.engine.model.prediction import Runner, iter_predict
from napari_temseg.engine.model.segmenter import SAME_SIZE, AsItIs, Normalisation, Segmenter
from napari_temseg.engine.training.dataset import IMAGE, Plane, planes_of
from napari_temseg.engine.training.rehearsal import rehearsal
from napari_temseg.engine.training.sparse_labels import is_sparse
from napari_temseg.engine.types.annotations import Annotations, default_name
from napari_temseg.engine.types.config import PredictConfig, TrainConfig
from napari_temseg.engine.types.micrograph import Calibration, Micrograph
from napari_temseg.engine.types.progress import Control, Progress
from napari_temseg.engine.types.results import Prediction

AT_SCALE = ("scales", "fixed_scale", "pixel_size", "familiar")  # what training on somebody's pictures changes beside the weights


def starting_model(annotations: Annotations, base: Segmenter | None, config: TrainConfig) -> Segmenter:
    """A copy of `base` with room for every class that is labelled, or a new model as `config` says."""
    wanted = max(annotations.class_names)
    if base is None:
        spec = NetworkSpec(config.encoder, n_classes=wanted, auxiliary=("distance",))
        return Segmenter.new(spec, annotations.class_names, config.encoder_weights, config.seed)
    model = base.copy()
    spec = model.spec
    if wanted > spec.n_classes:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            spec = extend_head(model.network, spec, wanted)
    names = {n: name for n, name in annotations.class_names.items() if n not in model.classes or name != default_name(n)}
    return replace(model, spec=spec, classes={**model.classes, **names})


def at_one_scale(model: Segmenter, planes: Sequence[Plane]) -> Segmenter:
    """The model with its working scales fixed to those that suit most of the planes, and the pixel size they belong to.

    It is used as it was trained: where the planes have one pixel size, pictures of another are looked at larger or smaller by the ratio.
    """
    size = _common([plane.pixel_size for plane in planes])
    if not model.finds_scale:
        return replace(model.suited(size), fixed_scale=True, pixel_size=size, familiar=None)
    seen = Counter(plane.scales for plane in planes if plane.scales).most_common(1)
    return replace(model, scales=seen[0][0] if seen else model.scales, fixed_scale=True, pixel_size=size, familiar=None)


def _common(sizes: Sequence[float]) -> float:
    """The pixel size (nm) of all planes, 0 where there is no such one."""
    if not sizes or min(sizes) <= 0 or max(sizes) > (1 + SAME_SIZE) * min(sizes):
        return 0.0
    return float(np.median(sizes))


def prepared(
    annotations: Annotations, base: Segmenter | None, config: TrainConfig, control: Control
) -> Generator[Progress, None, list[Plane]]:
    """Every labelled plane, then those without labels, with what the starting model says where that is to be held; yields between tiles.

    Where every labelled plane is labelled whole there is nothing to hold on it: only the working scale is looked for, once a
    micrograph. When the job is asked to finish meanwhile, no step will follow, and the planes are returned as they are.
    """
    normalisation = Normalisation() if base is None else base.normalisation
    by_item: list[list[Plane]] = []
    for item in annotations.items:
        yield Progress("prepare", 0.0, f"{item.micrograph.name}: making the labels ready", control.elapsed)
        by_item.append(planes_of(replace(annotations, items=(item,)), normalisation))
    planes = list(chain.from_iterable(by_item))
    if base is None or config.hold == 0:
        return planes
    # The images are normalised already; an identity normalisation lets the predictor run on them as they are.
    reader = replace(base, normalisation=AsItIs())
    runs_on = PredictConfig(device=config.device, precision=config.precision)
    rehearsed = rehearsal(annotations, normalisation, config.seed, simulated=not is_sparse(planes))
    started: list[Plane] = []
    if all(plane.whole for plane in planes):
        started = yield from _at_own_scale(by_item, reader, runs_on, control)
        if control.finishing:
            return started
        planes = rehearsed
    else:
        planes = [*planes, *rehearsed]
    for number, plane in enumerate(planes, start=1):
        known = Calibration((plane.pixel_size,) * 2) if plane.pixel_size else Calibration()
        job = iter_predict(reader, Micrograph(plane.smooth[IMAGE], calibration=known), runs_on)
        for _ in job:
            if control.finishing:
                return [plane.bare for plane in (*started, *planes[number - 1 :])]
            message = f"what the starting model says, plane {number} of {len(planes)}"
            yield Progress("prepare", 0.0, message, control.elapsed)
        started.append(_with_start(plane, job.result))
    return started


def _at_own_scale(
    by_item: Sequence[Sequence[Plane]], reader: Segmenter, config: PredictConfig, control: Control
) -> Generator[Progress, None, list[Plane]]:
    """The planes with the scales that suit the middle one of each micrograph."""
    scaled: list[Plane] = []
    for number, group in enumerate(by_item, start=1):
        middle = group[len(group) // 2]
        runner = Runner(reader, config, middle.pixel_size)
        message = f"looking for the working scale, micrograph {number} of {len(by_item)}"
        if runner.adaptive:
            for _ in runner.settle(middle.smooth[IMAGE], None):
                if control.finishing:
                    return list(chain.from_iterable(by_item))
                yield Progress("prepare", 0.0, message, control.elapsed)
        scaled += [replace(plane, scales=runner.scales) for plane in group]
    return scaled


def _with_start(plane: Plane, said: Prediction) -> Plane:
    """The plane with K class probabilities of the starting model, then its auxiliary maps."""
    maps = [said.probability, *(depth[None] for depth in said.auxiliary.values())]
    return replace(plane, smooth=np.concatenate([plane.smooth, *maps]).astype(np.float32), scales=said.working_scale)
