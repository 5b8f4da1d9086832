"""*Use as result*: the labels of a micrograph, as they are painted and filled, become its particles, as a job."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_temseg.engine.types.results import BY_LABELS
from napari_temseg.engine.types.wording import percent, several
from napari_temseg.pipeline.label_images import iter_labelled
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.session.history import LABELS_STEP
from napari_temseg.widgets.session.results.carried import commit_made
from napari_temseg.widgets.session.results.splitter import Splitter

if TYPE_CHECKING:
    from napari_temseg.pipeline.find import Found
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

BY_HAND = "labels of step 3, no model"  # what found them, where the name of a model stands


def use_labels(session: Session, item: Item) -> None:
    """Make the labels of a micrograph its result, undoably; `TemsegError` where it has none, or while another job runs."""
    pixels, picture, names = item.pixels, item.micrograph(), dict(session.classes)
    labels = np.array(layers.snapshot(item.annotation), np.uint8).reshape(picture.data.shape)
    open_part = 1 - np.count_nonzero(labels) / labels.size

    def done(found: Found) -> None:
        told = commit_made(session, item, found, pixels, (BY_LABELS, BY_HAND), LABELS_STEP, "use the labels")
        if told is None:
            return
        rest = f" {percent(open_part)} of the image is not labelled and counts as background." if open_part >= 0.005 else ""
        there = f"{several(len(item.found_particles()), 'particle')} of {item.name} are as labelled, split as in step 2"
        session.say(f"{there}; Ctrl+Z or U takes that back.{rest} {told}".rstrip())

    split = session.part(Splitter).config
    stopped = partial(session.say, "Stopped; the particles are as they were.")
    session.jobs.start(f"Using the labels: {item.name}", partial(iter_labelled, labels, names, picture, split), done, failed=stopped)
