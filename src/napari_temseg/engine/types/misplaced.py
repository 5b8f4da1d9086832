"""What is given in the place of something else: the nearest mistake gets a sentence of its own, which says what comes first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.setting import Config

_OURS = (
    "Micrograph",
    "Simulation",
    "Segmenter",
    "Prediction",
    "PlanePrediction",
    "Particles",
    "Measurement",
    "SizeDistribution",
    "Score",
    "Annotations",
    "Annotation",
    "RunResult",
    "Job",
)
_PREDICT_FIRST = "split needs a prediction: predict first, then split(predict(model, image))."
_NO_IMAGE = {
    "Segmenter": "This is a model, not an image: the model comes first, then the image, as in predict(model, image).",
    "Simulation": "A simulation is no image itself: give its .micrograph.",
    "Prediction": "This is predicted already: split it, or give its .micrograph to predict it again.",
    "PlanePrediction": "This is a predicted plane: give an image, such as its .prediction.micrograph.",
    "Particles": "These are particles, not an image: give their .micrograph.",
    "Measurement": "A measurement holds no pixels: give the micrograph that was measured.",
    "SizeDistribution": "A size distribution holds no pixels: give a micrograph.",
    "Annotations": "Annotations hold images and labels: give them as train(labels=annotations).",
    "Micrographs": "One image at a time: call it for each of the list, or use temseg.run for files.",
}
_NO_MODEL = {
    "Micrograph": "This is an image, not a model: the model comes first, then the image, as in predict(model, image).",
    "array": "This is an array, not a model: the model comes first, then the image, as in predict(model, image).",
    "Simulation": "This is a simulation, not a model: the model comes first, as in predict(model, simulation.micrograph).",
    "NoneType": 'There is no model: load one first, such as temseg.load("particles").',
}
_NO_PREDICTION = {
    "Micrograph": _PREDICT_FIRST,
    "array": _PREDICT_FIRST,
    "path": _PREDICT_FIRST,
    "Simulation": _PREDICT_FIRST,
    "Segmenter": _PREDICT_FIRST,
    "Particles": "These particles are split already: measure them, or split their .prediction anew.",
    "PlanePrediction": "split needs the prediction itself: give the .prediction of this plane.",
    "Measurement": "These particles are split and measured already: pool them with size_distribution.",
    "Predictions": "One prediction at a time: [split(each) for each in predictions].",
}
_NO_PARTICLES = {
    "Prediction": "A prediction does not tell particles apart: split it first, as in {call}(split(prediction){more}).",
    "PlanePrediction": "A prediction does not tell particles apart: split its .prediction first.",
    "Micrograph": "An image does not tell particles apart: predict and split it first, as in {call}(split(predict(model, image)){more}).",
    "Simulation": "A simulation is no label image itself: give its .instances.",
    "Segmenter": "This is a model: predict and split an image with it first.",
    "Annotation": "Annotations are for train: give the array of labels.",
    "Annotations": "Annotations are for train: give the array of labels.",
    "Measurement": "This is measured already: {call} takes the particles that it was made of.",
    "SizeDistribution": "This is a size distribution already: {call} takes particles.",
    "path": "This is a path, not labels: read the label image first, with tifffile.imread for instance.",
    "table": "This is a table, not labels: {call} takes particles or a label image.",
    "ParticlesList": "One at a time: [{call}(each{more}) for each in particles].",
    "Predictions": "One at a time, and split first: [{call}(split(each){more}) for each in predictions].",
    "NoneType": "There are no labels: give particles or a label image.",
}
_NO_MEASUREMENT = {
    "Particles": "Particles have no sizes yet: measure them first, as in size_distribution([measure(particles)]).",
    "Prediction": "A prediction has no sizes yet: split it and measure it first, as in size_distribution([measure(split(prediction))]).",
    "PlanePrediction": "A prediction has no sizes yet: split its .prediction and measure it first.",
    "Micrograph": "A micrograph has no sizes yet: predict, split and measure it first.",
    "Segmenter": "A model has no sizes: predict, split and measure an image with it first.",
    "array": "An array has no frame and no pixel size: measure the label image first, as in size_distribution([measure(labels)]).",
    "number": "Bare sizes have no frame and no pixel size: measure label images, as in size_distribution([measure(labels)]).",
    "table": "A table does not know frame, valid area and calibration: give the Measurement that it belongs to.",
    "SizeDistribution": "This is a size distribution already.",
    "path": "This is a path: measure label images first, as in size_distribution([measure(labels)]).",
    "RunResult": "Give the measurements of the run: size_distribution([item.measurement for item in result.items]).",
}
_NO_LABELS = {
    "Particles": 'Particles are not class numbers: give their .labels, with meaning="instances".',
    "Prediction": "A prediction is no annotation: give its .classes once they are corrected, or a label array.",
    "Simulation": 'A simulation is no label array: give its .instances, with meaning="instances", or its .classes.',
    "Micrograph": "Labels are arrays of whole numbers, not micrographs: first the images, then the labels, as in train(images, labels).",
    "Segmenter": "This is a model, not labels: the model to start from is base=model, as in train(images, labels, base=model).",
    "path": "This is a path, not labels: read the label image first, with tifffile.imread for instance.",
}
_NO_BASE = {
    "Micrograph": "base is the model to start from, not an image: train(images, labels, base=model).",
    "array": "base is the model to start from, not an array: train(images, labels, base=model).",
}
_NO_PATH = {
    "Micrograph": "This is read already: it can be used as it is.",
    "array": "This is an array, not a path: an array can be used as it is, or as a Micrograph(array, axes, calibration).",
    "list": "One file at a time: [read(path) for path in paths].",
}
_NO_INPUT = {
    "Micrograph": "run reads files and folders: for an image in memory use predict, split and measure.",
    "array": "run reads files and folders: for an image in memory use predict, split and measure.",
    "Simulation": "run reads files and folders: for an image in memory use predict, split and measure.",
    "Segmenter": "run takes files and folders first; the model is model=…, as in run(images, folder, model=model).",
}


def kind_of(value: Any) -> str:
    """What a value is: a name of ours, "array", "table", "path", "number", "list", or the name of its type."""
    names = [kind.__name__ for kind in type(value).__mro__ if kind.__module__.startswith("napari_temseg.")]
    ours = next((name for name in names if name in _OURS), "")
    if ours:
        return ours
    if type(value).__name__ == "DataFrame":
        return "table"
    if isinstance(value, (str, bytes)) or hasattr(value, "__fspath__"):
        return "path"
    if isinstance(value, (bool, int, float, np.number)):
        return "number"
    if hasattr(value, "ndim") and hasattr(value, "dtype"):
        return "array"
    return "list" if isinstance(value, (list, tuple)) else type(value).__name__


def _several(value: Any) -> str:
    """The kind of a list's first entry, where it tells that one at a time is meant."""
    first = kind_of(value[0]) if isinstance(value, (list, tuple)) and value else ""
    return {"Micrograph": "Micrographs", "Prediction": "Predictions", "Particles": "ParticlesList"}.get(first, "")


def _refuse(value: Any, instead: Mapping[str, str], takes: str, accepted: Collection[str], *, strict: bool = False) -> None:
    """`TemsegError` for what has a sentence in `instead` and for what else of ours is not `accepted`; if `strict`, for anything else."""
    kind = _several(value) or kind_of(value)
    if kind in instead:
        raise TemsegError(instead[kind])
    if kind not in accepted and (strict or kind in _OURS):
        raise TemsegError(f"{takes}, not {'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}.")


def check_image(value: Any) -> None:
    """For what takes a micrograph or an array of pixels."""
    _refuse(value, _NO_IMAGE, "Give a micrograph or an array of pixels", ("Micrograph",))


def check_model(value: Any) -> None:
    """For what takes a model, its name or its file."""
    _refuse(value, _NO_MODEL, "Give a model: a Segmenter, a shipped name or a .temseg file", ("Segmenter", "path"), strict=True)


def check_prediction(value: Any) -> None:
    """For what splits."""
    _refuse(value, _NO_PREDICTION, "split takes a Prediction", ("Prediction",), strict=True)


def check_particles(value: Any, call: str, more: str = "") -> None:
    """For what takes particles or labels; `call` is its name and `more` its other arguments, for the sentence."""
    told = {kind: sentence.format(call=call, more=more) for kind, sentence in _NO_PARTICLES.items()}
    _refuse(value, told, f"{call} takes particles or a label image", ("Particles",))


def as_measurements(values: Any) -> list[Any]:
    """What pools one measurement or several takes, as a list."""
    entries = _entries(values)
    for value in entries:
        _refuse(value, _NO_MEASUREMENT, "size_distribution takes measurements", ("Measurement",), strict=True)
    return entries


def check_training(images: Any, labels: Any, base: Any) -> None:
    """For what trains on images with labels, or on annotations, starting from a model."""
    for image in images if isinstance(images, (list, tuple)) else [images]:
        check_image(image)
    for array in labels if isinstance(labels, (list, tuple)) else [labels]:
        _refuse(array, _NO_LABELS, "Labels are arrays of whole numbers", ("Annotations",))
    if base is not None:
        _refuse(base, _NO_BASE, "base is a Segmenter, a shipped name, a .temseg file or “none”", ("Segmenter", "path"), strict=True)


def check_path(value: Any) -> None:
    """For what reads a file."""
    _refuse(value, _NO_PATH, "Give the path of a file", ("path",), strict=True)


def as_inputs(values: Any) -> list[Any]:
    """What runs over one file or folder or several takes, as a list."""
    entries = _entries(values)
    for value in entries:
        _refuse(value, _NO_INPUT, "run takes paths of files and folders", ("path",), strict=True)
    return entries


def _entries(values: Any) -> list[Any]:
    single = kind_of(values) in (*_OURS, "array", "table", "path", "number") or not isinstance(values, Iterable)
    return [values] if single else list(values)


def check_config(value: Any, kind: type[Config], call: str) -> None:
    """For what takes a config of this kind, or none."""
    if value is None or isinstance(value, kind):
        return
    name = kind.__name__
    if isinstance(value, Mapping):
        raise TemsegError(f"{call} takes its settings as a {name}: {name}(**settings).")
    if isinstance(value, type) and issubclass(value, Config):
        raise TemsegError(f"{call} takes a {name}, not the class {value.__name__}: write {name}().")
    raise TemsegError(f"{call} takes its settings as a {name}, not as a {type(value).__name__}.")
