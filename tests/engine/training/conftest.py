"""Time in trainings is counted, not measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.training.learner import Learner
from napari_temseg.engine.types.progress import Job


@pytest.fixture
def slow_steps(monkeypatch: pytest.MonkeyPatch) -> Callable[[Job[Segmenter]], None]:
    """Give a training a clock on which each step takes a second and nothing else takes any time: `slow_steps(job)`."""

    def given(job: Job[Segmenter]) -> None:
        steps, step = [0.0], Learner.step

        def counted(learner: Learner, *how: object) -> None:
            steps[0] += 1
            step(learner, *how)

        monkeypatch.setattr(Learner, "step", counted)
        job.control.go_by(lambda: steps[0])

    return given
