"""report.html: one file that needs nothing else, neither a network nor a program, to be read, printed and archived."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
from skimage.segmentation import find_boundaries

from napari_temseg.engine.types.wording import four
from napari_temseg.files.atomic import write_text

if TYPE_CHECKING:
    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.pipeline.run_result import RunItem

PICTURE = 720  # px, the longer side of an image in the report
OUTLINE = np.array([230, 159, 0], np.uint8)  # orange of Okabe and Ito, seen on black and on white
_RECIPE = ", every setting in recipe.json"  # at the foot of the template
_ROWS = (
    ("n", "Particles in the distribution", ""),
    ("n_images", "Images", ""),
    ("n_eff", "Effective number of particles", ""),
    ("mean", "Mean", "unit"),
    ("sd", "Standard deviation", "unit"),
    ("geometric_mean", "Geometric mean", "unit"),
    ("gsd", "Geometric standard deviation", ""),
    ("d10", "D10 (by number)", "unit"),
    ("d50", "D50 (by number)", "unit"),
    ("d90", "D90 (by number)", "unit"),
    ("dv10", "D10 (by volume)", "unit"),
    ("dv50", "D50 (by volume)", "unit"),
    ("dv90", "D90 (by volume)", "unit"),
    ("span", "Span (D90 − D10) / D50", ""),
    ("d32", "D[3,2]", "unit"),
    ("d43", "D[4,3]", "unit"),
    ("share_below_100nm", "Share below 100 nm (by number)", "%"),
)


def thumbnail(plane: npt.NDArray[Any], labels: npt.NDArray[np.integer[Any]]) -> bytes:
    """JPEG of a plane with the outlines of its particles, at most `PICTURE` px wide; contrast between the 0.5 and 99.5 percentile."""
    step = max(1, -(-max(plane.shape) // PICTURE))
    small = np.nan_to_num(plane[::step, ::step].astype(np.float32)) if step == 1 else _binned(plane, step)
    low, high = np.percentile(small, [0.5, 99.5])
    grey = (np.clip((small - low) / max(float(high - low), 1e-12), 0, 1) * 255).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=-1)
    seen = labels[step // 2 :: step, step // 2 :: step][: grey.shape[0], : grey.shape[1]]
    edges = find_boundaries(seen, mode="inner")
    picture[: seen.shape[0], : seen.shape[1]][edges] = OUTLINE
    return bytes(iio.imwrite("<bytes>", picture, extension=".jpg", quality=88, subsampling=0))


def _binned(plane: npt.NDArray[Any], step: int) -> npt.NDArray[np.float32]:
    height, width = (n // step * step for n in plane.shape)
    blocks = np.nan_to_num(plane[:height, :width].astype(np.float32)).reshape(height // step, step, width // step, step)
    binned: npt.NDArray[np.float32] = blocks.mean(axis=(1, 3))
    return binned


def write_report(
    path: Path, items: Sequence[RunItem], sizes: dict[str, SizeDistribution], summary: dict[str, Any], *, recipe: bool = True
) -> None:
    """Write the report of a run from its `summary` (see `pipeline.summary`); `recipe` tells whether a recipe.json lies beside it.

    An image of the summary that has a "model" and "settings" of its own was found with these.
    """
    sections = [_distribution(unit, sizes[unit], summary["distributions"][unit]) for unit in sizes]
    cautions = "".join(f"<li>{escape(sentence)}</li>" for sentence in summary["cautions"])
    failures = "".join(f"<li>{escape(sentence)}</li>" for sentence in summary["failures"].values())
    total = sum(image["particles"] for image in summary["images"])
    figures = "".join(_figure(item, image) for item, image in zip(items, summary["images"], strict=True))
    body = [
        "<h1>Particle sizes</h1>",
        f"<p class='lead'>{total} particles in {len(items)} image{'s' if len(items) != 1 else ''}</p>",
        f"<section class='caution'><h2>Read this first</h2><ul>{cautions}</ul></section>" if cautions else "",
        *sections,
        f"<section><h2>Left out</h2><ul>{failures}</ul></section>" if failures else "",
        f"<section><h2>Images</h2><div class='gallery'>{figures}</div></section>",
        _method(summary),
    ]
    template = (files("napari_temseg.pipeline") / "report.template.html").read_text(encoding="utf-8")
    template = template if recipe else template.replace(_RECIPE, "")
    write_text(path, template.replace("{{body}}", "\n".join(filter(None, body))).replace("{{version}}", escape(str(summary["temseg"]))))


def _distribution(unit: str, sizes: SizeDistribution, summary: dict[str, Any]) -> str:
    notes = [f"{reason}: {count}" for reason, count in (summary.get("n_left_out") or {}).items() if count]
    notes = [f"Left out of the distribution: {', '.join(notes)}."] if notes else []
    if summary.get("interval_basis"):
        notes.append(f"Intervals of counting: {summary['interval_basis']}.")
    uncertainty = summary.get("calibration_relative_uncertainty")
    if uncertainty is not None:
        notes.append(f"Calibration, not in these intervals: {100 * uncertainty:.2g} % of every length (one standard deviation).")
    note = "".join(f"<p class='note'>{escape(text)}</p>" for text in notes)
    rows = [
        (
            label,
            f"{summary[key]:.1%}" if kind == "%" else _number(summary[key]),
            f" {unit}" if kind == "unit" else "",
            _interval(summary, key),
        )
        for key, label, kind in _ROWS
        if summary.get(key) is not None
    ]
    table = "".join(
        f"<tr><th scope='row'>{escape(label)}</th><td>{value}{u}</td><td>{interval}</td></tr>" for label, value, u, interval in rows
    )
    return (
        f"<section><h2>Equivalent circular diameter, {unit}</h2><div class='columns'><div class='card'>{_plot(sizes)}</div>"
        f"<div><table><thead><tr><th></th><th>Value</th><th>95 % interval</th></tr></thead><tbody>{table}</tbody></table>{note}</div>"
        "</div></section>"
    )


def _plot(sizes: SizeDistribution) -> str:
    """The histogram as an SVG in an <img>, so that its fonts and ids keep to themselves."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "temseg"}):
        sizes.plot().savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return f"<img alt='Histogram of diameters' src='data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}'>"


def _figure(item: RunItem, image: dict[str, Any]) -> str:
    m = item.measurement
    classes = ", ".join(f"{name}: {count}" for name, count in item.per_class.items()) or "no particles"
    planes = f" · {m.n_planes} planes, the first is shown" if m.n_planes > 1 else ""
    return (
        f"<figure><img alt='{escape(item.name)} with outlines' src='data:image/jpeg;base64,{base64.b64encode(item.picture).decode()}'>"
        f"<figcaption><b>{escape(item.name)}</b> · {escape(classes)}{planes}<br>"
        f"{escape(' · '.join([m.calibration.describe(), *_remarks(image)]))}</figcaption></figure>"
    )


def _remarks(image: dict[str, Any]) -> list[str]:
    """Whether an image is unlike what its model knows; what a person left out, corrected, excluded and reviewed in it."""
    share, excluded, corrections = image["left_out_share"], image["excluded"], image.get("corrections", 0)
    said = [f"unlike the model's training ({image['unlike_training']})"] if image["unlike_training"] else []
    said += [] if share is None else [f"{100 * share:.3g} % of the picture left out"]
    if corrections:
        said.append(f"{corrections} correction{'s' if corrections != 1 else ''} by hand")
    if excluded:
        said.append(f"{sum(excluded.values())} excluded ({', '.join(f'{reason}: {count}' for reason, count in excluded.items())})")
    if image["reviewed"]:
        said.append(f"{image['reviewed']} of {image['particles']} reviewed")
    return said


def _method(summary: dict[str, Any]) -> str:
    images = summary["images"]
    rows: list[tuple[str, str]] = [
        ("Program", f"napari-temseg {summary['temseg']}"),
        ("Model", _each(images, [_model(image.get("model", summary["model"])) for image in images])),
        ("Edge of a particle", _each(images, [image["edge"] for image in images])),
        *([("Burnt-in scale bars, letters, data bars", _masked(images))] if summary.get("mask_overlays") else []),
        ("Particles on the edge of a picture", "left out of the distribution; the others weighted for it (Miles–Lantuéjoul)"),
        ("Volume weighting", "takes particles for spheres of the equivalent circular diameter"),
        *(row for stage in summary["settings"] for row in _settings(stage, summary)),
    ]
    table = "".join(f"<tr><th scope='row'>{escape(label)}</th><td>{escape(text)}</td></tr>" for label, text in rows)
    columns = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(entry['definition'])}</td><td>{escape(entry['unit'])}</td></tr>"
        for name, entry in summary["columns"].items()
    )
    return (
        f"<section><h2>How it was measured</h2><table>{table}</table>"
        f"<details><summary>Columns of particles.csv</summary><table>{columns}</table></details></section>"
    )


def _masked(images: Sequence[dict[str, Any]]) -> str:
    """Which pictures lost what is burnt in, found by the program."""
    shares = [image["left_out_share"] for image in images]
    told = [f"left out, {100 * share:.3g} % of the picture (found automatically)" if share else "none found" for share in shares]
    return _each(images, told)


def _model(model: dict[str, str]) -> str:
    return f"{model['name'] or 'unnamed'}, hash {model['hash'][:16]}" if model["hash"] else model["name"] or "none"


def _settings(stage: str, summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The settings of a stage that all images share in one row, each of the others in a row of its own."""
    images, shared = summary["images"], summary["settings"][stage]
    own = [image.get("settings", {}).get(stage, shared) for image in images]
    differing = [key for key in dict.fromkeys(key for values in own for key in values) if len({str(v.get(key, "")) for v in own}) > 1]
    equal = ", ".join(f"{key} {_value(value)}" for key, value in (own[0] if own else shared).items() if key not in differing)
    rows = [(f"Settings of {stage}", equal)] if equal else []
    return rows + [(f"Setting of {stage}: {key}", _each(images, [_value(v.get(key, "none")) for v in own])) for key in differing]


def _value(value: Any) -> str:
    return "–" if value is None else ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _each(images: Sequence[dict[str, Any]], values: Sequence[str]) -> str:
    """What is equal for all images once, else "a, b: this; c: that"."""
    names: dict[str, list[str]] = {}
    for image, value in zip(images, values, strict=True):
        names.setdefault(value, []).append(image["image"])
    return next(iter(names)) if len(names) == 1 else "; ".join(f"{', '.join(each)}: {value}" for value, each in names.items())


def _number(value: Any) -> str:
    return four(value) if isinstance(value, float) else escape(str(value))


def _interval(summary: dict[str, Any], key: str) -> str:
    interval = summary.get(f"{key}_interval") or summary.get("intervals", {}).get(key)
    return f"{four(interval[0])} – {four(interval[1])}" if interval and None not in interval else ""
