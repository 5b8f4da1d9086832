"""One prediction split otherwise: how far its sizes hang on the settings of the splitting."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.measure.other_splits import AS_FOUND, OtherSplit, whole_sizes
from napari_temseg.engine.particles.splitting import default_certainty, split
from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import Particles

# What dents must be deeper by to split: at strength 0.5 these are the strengths 0.4 and 0.6, and 0.3 and 0.7.
_DENTS = {"less": 3 / 2, "more": 2 / 3, "much less": 7 / 3, "much more": 3 / 7}
_ODDS = {"less": 3 / 7, "more": 7 / 3}  # of the threshold: 0.3 and 0.7 at 0.5
_CERTAINTY = {"less": -0.1, "more": 0.1}


def other_settings(config: SplitConfig) -> list[tuple[str, str, SplitConfig]]:
    """Settings near `config` (whose certainty is set): the field that differs, the step, and the settings."""
    found = []
    if 0 < config.strength < 1:
        ratio = (1 - config.strength) / config.strength
        found += [("strength", step, replace(config, strength=1 / (1 + ratio * factor))) for step, factor in _DENTS.items()]
    odds = config.threshold / (1 - config.threshold)
    found += [("threshold", step, replace(config, threshold=odds * f / (1 + odds * f))) for step, f in _ODDS.items()]
    if config.certainty:
        steps = {step: min(max(config.certainty + by, 0.0), 1.0) for step, by in _CERTAINTY.items()} | {"none": 0.0}
        found += [("certainty", step, replace(config, certainty=value)) for step, value in steps.items()]
    return found


def iter_other_splits(measurement: Measurement, particles: Particles) -> Job[Measurement]:
    """The job that gives a measurement of `particles` its `other_splits`; without a prediction there are none, and it stays as it is.

    The splittings are those near the settings of `particles`, found on their prediction. Yields `Progress` after each.
    """

    def steps(control: Control) -> Generator[Progress, None, Measurement]:
        if particles.prediction is None:
            return measurement
        prediction = particles.prediction
        config = SplitConfig.from_dict(particles.settings)
        if config.certainty is None:
            config = replace(config, certainty=default_certainty(prediction))
        found = [OtherSplit(AS_FOUND, "", 0.0, *whole_sizes(split(prediction, config)))]
        settings = other_settings(config)
        for index, (name, step, other) in enumerate(settings):
            yield Progress("measure", index / len(settings), f"{particles.micrograph.name}: splitting otherwise", control.elapsed)
            found.append(OtherSplit(step, name, float(getattr(other, name)), *whole_sizes(split(prediction, other))))
        return replace(measurement, other_splits=tuple(found))

    return Job(steps)


def with_other_splits(measurement: Measurement, particles: Particles) -> Measurement:
    """Run `iter_other_splits` to its end."""
    return iter_other_splits(measurement, particles).drain()
