from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.model.segmenter import Normalisation
from napari_temseg.engine.training.dataset import Dataset, labelled_planes
from napari_temseg.engine.training.starting_model import labelled_size, prepared
from napari_temseg.engine.training.task import TrainingTask
from napari_temseg.engine.types.annotations import Annotations
from napari_temseg.engine.types.config import TrainConfig
from napari_temseg.engine.types.progress import Control, Job
from napari_temseg.engine.types.results import CENTRED_BY

CONFIG = TrainConfig(max_seconds=1e5, max_steps=1)


@pytest.mark.parametrize("radius", [6.0, 9.0, 15.5])  # the last ones touch
def test_outlines_tell_how_large_particles_are(discs, radius):
    image, instances = discs(radius=radius)
    (plane,) = labelled_planes(Annotations.collect([image], [instances], meaning="instances").items[0], Normalisation())
    assert labelled_size(plane) == pytest.approx(2 * radius, abs=3)
    assert labelled_size(plane.only(np.zeros(image.shape, bool))) is None


def test_a_model_with_a_working_size_works_at_the_size_that_is_outlined_or_told(banded, discs):
    image, instances = discs(radius=9.0)
    annotations = Annotations.collect([image], [instances], meaning="instances")

    def scale(config: TrainConfig) -> float:
        task = TrainingTask(annotations, banded, config)

        def steps(control: Control):
            return (yield from prepared(task, control))

        return Job(steps).drain().labelled[0].scales[0]

    assert scale(CONFIG) == pytest.approx(22 / 18, rel=0.12)
    assert 2 / CENTRED_BY <= scale(replace(CONFIG, typical_size=11.0)) <= 2 * CENTRED_BY


def test_what_a_search_has_found_is_not_worked_out_again(tiny, banded, discs):
    image, instances = discs()
    sparse = np.where(np.arange(image.shape[1]) % 32 < 4, 1 + (instances > 0), 0).astype(np.uint8)
    annotations = Annotations.collect([image], [sparse], meaning="classes")
    said = temseg.predict(tiny, annotations.items[0].micrograph)

    def made_ready(base: temseg.Segmenter, searched: tuple[temseg.Prediction, ...], config: TrainConfig = CONFIG) -> tuple[int, Dataset]:
        job = Job(lambda control: prepared(TrainingTask(annotations, base, config, searched=searched), control))
        told = [step for step in job if "model to start from" in step.message]
        return len(told), job.result

    asked, anew = made_ready(tiny, ())
    none, known = made_ready(tiny, (said,))
    assert asked > 0
    assert none == 0
    np.testing.assert_array_equal(known.labelled[0].start.probability, anew.labelled[0].start.probability)
    np.testing.assert_array_equal(known.labelled[0].start.maps, anew.labelled[0].start.maps)
    assert known.labelled[0].scales == anew.labelled[0].scales
    assert made_ready(banded, (said,))[0] > 0  # found by another model
    assert made_ready(tiny, (said,), replace(CONFIG, typical_size=9.0))[0] > 0  # another size is meant now
    elsewhere = Annotations.collect([image.copy()], [sparse], meaning="classes")
    assert TrainingTask(elsewhere, tiny, CONFIG, searched=(said,)).said_of(elsewhere.items[0].micrograph) is None
