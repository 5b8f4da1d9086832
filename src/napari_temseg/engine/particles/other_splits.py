"""One prediction split otherwise: how far its sizes hang on the settings of the splitting."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

import numpy as np

from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.measure.other_splits import AS_FOUND, Core, Extents, Floats, OtherSplit, whole_sizes
from napari_temseg.engine.particles.splitting import Splittable, at_frame, split_plane
from napari_temseg.engine.particles.weighing import default_certainty
from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.populations import of_each_population
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import Particles, Prediction

# What dents must be deeper by to split: at strength 0.5 these are the strengths 0.4 and 0.6, and 0.3 and 0.7.
_DENTS = {"less": 3 / 2, "more": 2 / 3, "much less": 7 / 3, "much more": 3 / 7}
_ODDS = {"less": 3 / 7, "more": 7 / 3}  # of the threshold: 0.3 and 0.7 at 0.5
_SHARING = ("certainty", "strength", "threshold")  # settings by what they leave to be done again, least first
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


def _sizes(plane: Splittable, settings: Sequence[SplitConfig], core: Core) -> Iterator[tuple[Floats, Floats]]:
    """Diameters and boxes of the whole particles of one plane under each of the settings."""
    last = None
    for config in settings:
        pieces = plane.pieces(config)
        if pieces is not last:
            whole = pieces.large & ~at_frame(pieces.labels, len(pieces.large) - 1, plane.prediction.micrograph.valid)
            last, extents = pieces, Extents.of(pieces.labels)
        yield extents.sizes(np.flatnonzero(whole & pieces.stay(config.certainty or 0.0)), core)


def _apart(prediction: Prediction, config: SplitConfig, core: Core) -> dict[str, tuple[Floats, Floats]]:
    """Diameters and boxes of the whole particles of one plane by population, where two sizes are meant; {"": both} of one distribution."""
    labels, table, *_ = split_plane(prediction, config)
    found = of_each_population(Particles(labels, table.assign(plane=0), prediction.micrograph, prediction))
    sizes = {name: whole_sizes(each, core) for name, each in found.items()}
    if not config.as_one:
        return sizes
    diameter, box = (np.concatenate(each) for each in zip(*sizes.values(), strict=True))
    return {"": (diameter, box)}


def _each(
    prediction: Prediction, settings: Sequence[SplitConfig], core: Core, plane: Splittable | None
) -> Iterator[dict[str, tuple[Floats, Floats]]]:
    """The sizes of one plane under each of the settings, by population."""
    if prediction.other is None:
        yield from ({"": sizes} for sizes in _sizes(plane or Splittable(prediction), settings, core))
    else:
        yield from (_apart(prediction, config, core) for config in settings)


def iter_other_splits(particles: Particles, core: Core = None, single: Splittable | None = None) -> Job[tuple[OtherSplit, ...]]:
    """The job that finds the `other_splits` of a measurement of `particles`; without a prediction there are none.

    The splittings are those near the settings of `particles`, found on their prediction. Yields `Progress` after each.
    With a `core` those of one plane count whose middle lies there; `single` is the plane that `particles` were split of, if it is kept.
    """

    def steps(control: Control) -> Generator[Progress, None, tuple[OtherSplit, ...]]:
        if particles.prediction is None:
            return ()
        prediction = particles.prediction
        config = SplitConfig.from_dict(particles.settings)
        if config.certainty is None:
            config = replace(config, certainty=default_certainty(prediction))
        # Those that share most come one after another: what they share is done once.
        settings = [("", AS_FOUND, config), *sorted(other_settings(config), key=lambda each: _SHARING.index(each[0]))]
        n = prediction.micrograph.n_planes
        sizes: list[list[dict[str, tuple[Floats, Floats]]]] = [[] for _ in settings]
        for plane in range(n):
            for index, found in enumerate(_each(prediction.at(plane), [each for _, _, each in settings], core, single)):
                sizes[index].append(found)
                done = (plane + (index + 1) / len(settings)) / n
                yield Progress("measure", done, f"{particles.micrograph.name}: splitting otherwise", control.elapsed)
        others = {}
        for (name, step, other), each in zip(settings, sizes, strict=True):
            value = float(getattr(other, name)) if name else 0.0
            for population in each[0]:
                diameter, box = (np.concatenate(part) for part in zip(*(page[population] for page in each), strict=True))
                others[name, step, population] = OtherSplit(step, name, value, diameter, box, population)
        order = [("", AS_FOUND), *((name, step) for name, step, _ in other_settings(config))]
        return tuple(others[*each, population] for each in order for population in sizes[0][0])

    return Job(steps)


def with_other_splits(measurement: Measurement, particles: Particles) -> Measurement:
    """A measurement of `particles` with its `other_splits`; without a prediction it stays as it is."""
    return replace(measurement, other_splits=iter_other_splits(particles).drain()) if particles.prediction is not None else measurement
