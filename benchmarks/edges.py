"""Which edge an outline is: found diameters over true ones on simulated micrographs, drawn by the outline and by half contrast.

    python benchmarks/edges.py [--model particles] [--seeds 2] [--sizes 10 20 40 80] [--blurs 0.7 1.5]

Bright field and HAADF, spheres and faceted particles, four sizes, two blurs; the truth is the analytic outline of the projected particle.
Particles that stand alone and are found (overlap of at least half) count. Mean error of the diameter in %, and in px of the edge, the
scatter of single particles in brackets. Peer: a threshold of Otsu on the picture smoothed by 1 px, as ImageJ users draw edges.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import product

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

import napari_temseg as temseg

CONTRASTS = ("bright field", "HAADF")
SIDE = 448


def matched(labels: np.ndarray, truth: np.ndarray, true_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and true numbers whose intersection over union is at least a half."""
    n = int(truth.max()) + 1
    pairs, common = np.unique(labels.astype(np.int64) * n + truth, return_counts=True)
    found, true = np.divmod(pairs, n)
    area, true_area = np.bincount(labels.ravel()), np.bincount(truth.ravel())
    good = (found > 0) & (true > 0) & (common / (area[found] + true_area[true] - common) >= 0.5) & np.isin(true, true_ids)
    return found[good], true[good]


def errors(labels: np.ndarray, sizes: dict[int, float], drawn: temseg.Simulation) -> list[tuple[float, float]]:
    """Found and true diameter of each particle that stands alone."""
    table = drawn.table
    alone = table.index[~(table["touches_frame"] | table["overlapped"] | table["touching"])].to_numpy()
    found, true = matched(labels, drawn.instances, alone)
    return [(sizes[f], float(table.at[t, "ecd_px"])) for f, t in zip(found.tolist(), true.tolist(), strict=True)]


def by_otsu(image: np.ndarray, mode: str) -> np.ndarray:
    """Labels of a global threshold."""
    smooth = ndimage.gaussian_filter(image.astype(float), 1.0)
    level = threshold_otsu(smooth)
    return np.asarray(ndimage.label(smooth < level if mode == "bright field" else smooth > level)[0])


def sizes_of(labels: np.ndarray, column: np.ndarray, ids: np.ndarray) -> dict[int, float]:
    """Diameter by label."""
    return dict(zip(ids.tolist(), column.tolist(), strict=True))


def scene(model: temseg.Segmenter, drawn: temseg.Simulation, mode: str) -> dict[str, list[tuple[float, float]]]:
    """What each way gives of one picture."""
    image = drawn.micrograph.with_calibration(temseg.Calibration())
    size = drawn.config.diameter
    particles = temseg.split(temseg.predict(model, image, temseg.PredictConfig(typical_size=size)))
    found = {}
    for name in ("outline", "half contrast"):
        table = temseg.measure(replace(particles, settings={**particles.settings, "edge": name})).table
        found[name] = errors(particles.labels, sizes_of(particles.labels, table["ecd_px"], table["particle"]), drawn)
    labels = by_otsu(image.plane(0), mode)
    table = temseg.measure(labels).table
    found["Otsu"] = errors(labels, sizes_of(labels, table["ecd_px"], table["particle"]), drawn)
    return found


def told(pairs: list[tuple[float, float]]) -> str:
    """Mean and scatter in %, and the mean in px of the radius."""
    if len(pairs) < 5:
        return f"– ({len(pairs)})"
    found, true = np.array(pairs).T
    share = 100 * (found / true - 1)
    return f"{share.mean():+.1f} ({share.std():.1f}) · {np.mean(found - true) / 2:+.2f} px"


def main() -> None:
    """Print a row a contrast, shape, blur and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="particles")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--sizes", type=float, nargs="+", default=(10.0, 20.0, 40.0, 80.0))
    parser.add_argument("--blurs", type=float, nargs="+", default=(0.7, 1.5))
    args = parser.parse_args()
    model = temseg.load(args.model)
    print("| contrast | shape | blur | px | n | outline | half contrast | Otsu |\n" + "|---" * 8 + "|")
    for mode, shape, blur, diameter in product(CONTRASTS, ("sphere", "faceted"), args.blurs, args.sizes):
        pooled: dict[str, list[tuple[float, float]]] = {"outline": [], "half contrast": [], "Otsu": []}
        for seed in range(args.seeds):
            settings = {"mode": mode, "shapes": (shape,), "blur": blur, "diameter": diameter, "seed": seed, "height": SIDE, "width": SIDE}
            count = int(min(120, 0.2 * SIDE**2 / diameter**2))
            drawn = temseg.simulate(temseg.SimulateConfig(**settings, count=count, spread=1.15, touching=0.0))
            for name, pairs in scene(model, drawn, mode).items():
                pooled[name] += pairs
        n = len(pooled["outline"])
        print(f"| {mode} | {shape} | {blur} | {diameter:.0f} | {n} | {' | '.join(map(told, pooled.values()))} |", flush=True)


if __name__ == "__main__":
    main()
