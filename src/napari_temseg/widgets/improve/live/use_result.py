"""*Use this result*: the live answer becomes the result of a micrograph, as a job."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.wording import several
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.improve.live.answers import LiveTarget, Task, iter_use
from napari_temseg.widgets.improve.trainer import NEW_NETWORK
from napari_temseg.widgets.session.history import LIVE_STEP
from napari_temseg.widgets.session.results.carried import commit_made
from napari_temseg.widgets.session.results.splitter import Splitter

if TYPE_CHECKING:
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.pipeline.find import Found
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


def check_usable(item: Item, base: str) -> None:
    """`TemsegError` where there can be no answer: nothing is painted, or there is no model yet."""
    if item.annotation is None:
        raise TemsegError(f"{item.name}: there is nothing to answer yet; choose New annotation, and paint a few strokes.")
    if base == NEW_NETWORK:
        raise TemsegError("An answer needs a model that knows particles: choose one under “start from”.")


def use_answer(session: Session, aim: LiveTarget, base: str, grounds: Mapping[int, Any]) -> None:
    """Make the answer the result of a micrograph, as a job."""
    item, pixels = aim.item, aim.item.pixels
    strokes = np.array(layers.snapshot(item.annotation), np.uint8)
    split = session.part(Splitter).config
    picture, names, doubted = item.micrograph(), dict(session.classes), _doubted(item.measurement)
    task = Task(picture, aim.model, aim.predict, split, strokes, names, grounds, aim.plane, item.prediction, doubted)
    name = f"{base}, corrected by strokes (instant)" if strokes.any() else base

    def done(found: Found) -> None:
        told = commit_made(session, item, found, pixels, (found.prediction.model_hash, name), LIVE_STEP, "use the result of Live")
        if told is None:
            return
        n, unsure = len(item.found_particles()), found.particles.uncertain
        left = f", {several(unsure, 'unsure region')} left out (dashed in Live)" if unsure else ""
        session.say(f"{several(n, 'particle')} of {item.name} taken over from Live{left}; Ctrl+Z or U takes it back. {told}")

    stopped = partial(session.say, "Stopped; the particles are as they were.")
    session.jobs.start(f"Taking over from Live: {item.name}", partial(iter_use, task), done, failed=stopped)


def _doubted(before: Measurement | None) -> float | None:
    """The share of particles that the search which a result comes of rather doubts."""
    if before is None:
        return None
    from napari_temseg.engine.measure.pooling import unsure_share

    return max(unsure_share([before.table], faint=[before.faint]), before.doubted)
