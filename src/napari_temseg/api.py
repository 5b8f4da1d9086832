"""The public functions: names and plain arrays become engine types here, then the engine works."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.engine.types import misplaced
from napari_temseg.engine.types.config import DraftConfig, PredictConfig, SimulateConfig, SplitConfig, TrainConfig
from napari_temseg.engine.types.micrograph import Micrograph, as_micrograph
from napari_temseg.engine.types.progress import Job
from napari_temseg.engine.types.results import Particles, Prediction

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.engine.model.segmenter import Segmenter
    from napari_temseg.engine.particles.evaluation import Score
    from napari_temseg.engine.simulate.micrographs import Simulation
    from napari_temseg.engine.training.checkpoint import CheckpointStore
    from napari_temseg.engine.types.annotations import Annotations
    from napari_temseg.files.laboratory import Calibrations


def read(path: str | Path, *, axes: str = "", series: str | int = "", calibrations: Calibrations = None) -> Micrograph:
    """Read a file of a microscope (DM3, DM4, EMD, SER, EMI, MRC), a TIFF, PNG or JPEG as a `Micrograph`.

    A stack needs `axes` ("NYX" fields, "TYX" time, "ZYX" depth) where the file does not say it. `series` is the name, or the place
    from 0, of one of several pictures in the file; without it the first that can be measured is read. `calibrations` is a table of
    the laboratory as a CSV file, "none", or without it the user's own: the row that fits what the file says corrects the pixel size.
    """
    misplaced.check_path(path)
    from napari_temseg.files.readers import read as _read

    return _read(path, axes=axes, series=series, calibrations=calibrations)


def load(model: Segmenter | str | Path) -> Segmenter:
    """Load "particles", the model that ships, or a `.temseg` file; a model that is loaded stays as it is."""
    misplaced.check_model(model)
    if not isinstance(model, (str, Path)):
        return model
    from napari_temseg.files.models import load as _load

    return _load(model)


def iter_train(
    images: Sequence[Any] | Any = (),
    labels: Sequence[Any] | Annotations | None = None,
    *,
    base: Segmenter | str | Path | None = "particles",
    config: TrainConfig | None = None,
    meaning: str = "",
    class_names: dict[int, str] | None = None,
    tune: bool = False,
    unlabelled: Sequence[Any] = (),
    look: Callable[[], Micrograph | None] | None = None,
    checkpoint: str | Path | CheckpointStore | None = None,
    searched: Sequence[Prediction] = (),
    scales: Sequence[tuple[Micrograph, tuple[float, ...]]] = (),
    afterwards: float = 0.0,
) -> Job[Segmenter]:
    """The job behind `train`: yields `Progress`, `finish()` keeps the best so far, `cancel()` discards.

    `look` names the plane (axes "YX", or None) that somebody looks at: a `Prediction` of it arrives as `preview` as training goes on.
    It is called in the thread that runs the job. `checkpoint` is as for `train`, but stays when the job ends: remove it when the model
    is safe. `searched` are predictions of the pictures that there are already: those of `base` are not worked out again. `scales` are
    those at which pictures were searched whose predictions are gone. `afterwards` are the px that the model is shown when all is done, for
    which time is left, as in a search.
    """
    misplaced.check_training(images, labels, base)
    misplaced.check_config(config, TrainConfig, "train")
    from napari_temseg.engine.interactive.stroked import beyond_band
    from napari_temseg.engine.training.loop import iter_train as _iter_train
    from napari_temseg.engine.training.search import iter_tune
    from napari_temseg.engine.training.task import TrainingTask
    from napari_temseg.engine.types.annotations import Annotations
    from napari_temseg.files.models import shipped

    annotations = (
        labels
        if isinstance(labels, Annotations)
        else Annotations.collect(images, () if labels is None else labels, meaning=meaning, class_names=class_names)
    )
    if len(unlabelled):
        annotations = replace(annotations, unlabelled=(*annotations.unlabelled, *map(as_micrograph, unlabelled)))
    start = None if base is None or base == "none" else load(base)
    config = config or TrainConfig()
    if config.encoder_weights in shipped():  # a model file is an encoder file too
        config = replace(config, encoder_weights=str(shipped()[config.encoder_weights]))
    if isinstance(checkpoint, (str, Path)):
        from napari_temseg.files.checkpoints import CheckpointFile

        checkpoint = CheckpointFile(checkpoint)
    task = TrainingTask(annotations, start, config, tune, tuple(searched), tuple(scales), afterwards, beyond_band)
    return (iter_tune if tune else _iter_train)(task, look, checkpoint)


def train(
    images: Sequence[Any] | Any = (),
    labels: Sequence[Any] | Annotations | None = None,
    *,
    base: Segmenter | str | Path | None = "particles",
    config: TrainConfig | None = None,
    meaning: str = "",
    class_names: dict[int, str] | None = None,
    tune: bool = False,
    unlabelled: Sequence[Any] = (),
    checkpoint: str | Path | None = None,
) -> Segmenter:
    """Train a model from annotations, starting from `base` ("particles", a file, a `Segmenter`, or "none" for a new network).

    `labels` are arrays of the images' shapes. `meaning` says what their numbers are: "classes" (0 unlabelled, 1 background,
    2… classes), "mask" (0 background, anything else particle) or "instances" (0 background, each number one particle); without it they are
    classes, unless they look like instances: then it is asked for. `tune` searches learning rate and batch first, within the same time
    budget. On micrographs that are `unlabelled` the model shall go on saying what
    `base` says. Where the labels speak for nothing that was learnt, the model is `base` again, and its `unused` is what was learnt.

    `checkpoint` names a file that is written every half minute: after a kill the same call goes on from it, with the time and the steps
    that were left. `TemsegError` when it is of another training; it is removed at the end.
    """
    job = iter_train(
        images,
        labels,
        base=base,
        config=config,
        meaning=meaning,
        class_names=class_names,
        tune=tune,
        unlabelled=unlabelled,
        checkpoint=checkpoint,
    )
    model = job.drain()
    if checkpoint is not None:
        from napari_temseg.files.checkpoints import CheckpointFile

        CheckpointFile(checkpoint).remove()
    return model


def iter_predict(
    model: Segmenter | str | Path, image: Any, config: PredictConfig | None = None, order: Sequence[int] | None = None
) -> Job[Prediction]:
    """The job behind `predict`: yields `Progress` between tiles, and after each plane with a `PlanePrediction` as its `preview`.

    Planes of a stack are predicted in `order`, a permutation of 0 … n − 1, which is the default.
    """
    misplaced.check_model(model)
    misplaced.check_image(image)
    misplaced.check_config(config, PredictConfig, "predict")
    from napari_temseg.engine.model.prediction import iter_predict as _iter_predict

    return _iter_predict(load(model), as_micrograph(image), config or PredictConfig(), order)


def predict(model: Segmenter | str | Path, image: Any, config: PredictConfig | None = None) -> Prediction:
    """Run a model over a micrograph, a stack or a plain array (Y, X)."""
    return iter_predict(model, image, config).drain()


def iter_split(prediction: Prediction, config: SplitConfig | None = None) -> Job[Particles]:
    """The job behind `split`: yields `Progress` after each plane."""
    misplaced.check_prediction(prediction)
    misplaced.check_config(config, SplitConfig, "split")
    from napari_temseg.engine.particles.splitting import iter_split as _iter_split

    return _iter_split(prediction, config or SplitConfig())


def split(prediction: Prediction, config: SplitConfig | None = None) -> Particles:
    """Separate touching particles, class by class, plane by plane."""
    return iter_split(prediction, config).drain()


def measure(
    particles: Particles | npt.NDArray[np.integer[Any]],
    *,
    pixel_size: float | tuple[float, float] | None = None,
    unit: str = "nm",
    labels_per_plane: bool = False,
    other_splits: bool = False,
) -> Measurement:
    """A row a particle. Bare label arrays may be given `pixel_size` (number, or (y, x)) in `unit`; without it, lengths are px.

    `labels_per_plane` says that the numbers of a stack start anew in each plane: they are numbered through then. `other_splits` splits the
    prediction again with other settings, some ten times, to know how far sizes hang on them.
    """
    misplaced.check_particles(particles, "measure")
    from napari_temseg.engine.measure.measurement import measure as _measure

    if labels_per_plane and not isinstance(particles, Particles) and getattr(particles, "ndim", 0) == 3:
        from napari_temseg.engine.types.label_images import numbered_through

        particles = numbered_through(particles)
    measured = _measure(particles, pixel_size=pixel_size, unit=unit)
    if not other_splits or not isinstance(particles, Particles):
        return measured
    from napari_temseg.engine.particles.other_splits import with_other_splits

    return with_other_splits(measured, particles)


def size_distribution(measurements: Sequence[Measurement] | Measurement, column: str = "ecd", *, population: str = "") -> SizeDistribution:
    """Pool measurements into one distribution of `column` (a length without its unit: "ecd", "feret_min" …).

    Where particles of two sizes were looked for, `population` says of which: "small" or "large"; they are never pooled.

    Where they have other splittings (`measure(…, other_splits=True)`), intervals hold what outlines drawn by hand said of the model that
    ships; of results of other models that is the least that is left open, and "holds" of each interval says so.
    """
    from napari_temseg.engine.measure.pooling import size_distribution as _size_distribution
    from napari_temseg.files.segmentation import segmentation_for

    pool = misplaced.as_measurements(measurements)
    models = {measurement.model_hash for measurement in pool if measurement.other_splits}
    return _size_distribution(pool, column, segmentation_for(models), population)


def evaluate(result: Particles | npt.NDArray[np.integer[Any]], truth: Any) -> Score:
    """Score particles against true instances: IoU, Dice, AP50, AP75, PQ, count and mean-diameter error."""
    misplaced.check_particles(result, "evaluate", ", truth")
    misplaced.check_particles(truth, "evaluate")
    from napari_temseg.engine.particles.evaluation import evaluate as _evaluate

    return _evaluate(result, truth)


def iter_draft(image: Any, labels: npt.NDArray[np.integer[Any]], config: DraftConfig | None = None) -> Job[npt.NDArray[np.uint8]]:
    """The job behind `draft`."""
    misplaced.check_image(image)
    misplaced.check_config(config, DraftConfig, "draft")
    from napari_temseg.engine.interactive.draft import iter_draft as _iter_draft

    return _iter_draft(as_micrograph(image), labels, config or DraftConfig())


def draft(image: Any, labels: npt.NDArray[np.integer[Any]], config: DraftConfig | None = None) -> npt.NDArray[np.uint8]:
    """Fill a whole annotation (uint8, the image's shape) from a few strokes by a random forest; to be corrected, then trained on."""
    return iter_draft(image, labels, config).drain()


def simulate(config: SimulateConfig | None = None) -> Simulation:
    """A micrograph with exact truth."""
    misplaced.check_config(config, SimulateConfig, "simulate")
    from napari_temseg.engine.simulate.micrographs import simulate as _simulate

    return _simulate(config or SimulateConfig())
