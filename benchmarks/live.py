"""How soon a stroke is answered in the window: from the brush to outlines on the picture.

    xvfb-run -a -s "-screen 0 1400x900x24" python benchmarks/live.py [--sizes 512 2048] [--strokes 20]

Strokes are painted by script into a real viewer, each when the one before it is answered; p50 and p95 in seconds, and how long the
window stood still at most meanwhile. Peer in the same run, after every fourth stroke: the random
forest of *Fill from strokes*, fitted anew to the same strokes.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from window import Pulse  # first of all: it gives napari a folder of its own for settings

import napari  # isort: skip
from napari_temseg.engine.interactive.draft import iter_draft
from napari_temseg.engine.simulate.micrographs import Simulation, simulate
from napari_temseg.engine.types.config import DraftConfig, SimulateConfig

BRUSH = 9  # px


def paint(layer: Any, truth: np.ndarray, number: int, rng: np.random.Generator) -> None:
    """A dab of the right class somewhere; of particles and of the background by turns."""
    spots = np.argwhere(truth == 1 + number % 2)
    y, x = spots[rng.integers(len(spots))]
    layer.brush_size = BRUSH
    layer.paint((int(y), int(x)), int(truth[y, x]))


def live(viewer: Any, bench: Any, scene: Simulation, strokes: int) -> tuple[list[float], list[float], float, float]:
    """Seconds of the answers, of the forest (once both classes are there), of the first look, and the longest standstill in ms."""
    session, pulse, rng = bench.session, Pulse(), np.random.default_rng(0)
    size = scene.classes.shape[0]
    viewer.add_image(scene.micrograph.data, name=f"{size} px")
    session.set_current(session.items[-1])
    model = bench.panel(2).live.model
    begun = time.perf_counter()
    bench.panel(2).labelling.new.click()
    pulse.during(lambda: model.coming)
    looked, layer, forest, late = time.perf_counter() - begun, session.current.annotation, [], 0.0
    model.seconds.clear()
    for number in range(strokes):
        paint(layer, scene.classes, number, rng)
        late = max(late, float(pulse.during(lambda: model.coming).max(initial=0)))
        if number % 4 == 3:
            begun = time.perf_counter()
            iter_draft(scene.micrograph, layer.data, DraftConfig()).drain()
            forest.append(time.perf_counter() - begun)
    return list(model.seconds), forest, looked, late


def main() -> None:
    """Paint and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 2048])
    parser.add_argument("--strokes", type=int, default=20)
    args = parser.parse_args()
    viewer = napari.Viewer()
    viewer.window._qt_window.setGeometry(0, 0, 1280, 800)
    from napari_temseg.widgets.workbench import Workbench

    bench = Workbench(viewer)
    viewer.window.add_dock_widget(bench, name="TEM particles", area="right")
    bench.go(2)
    print("| picture | first look | answer p50 | p95 | forest p50 | p95 | forest/answer p50 | window stood still at most |")
    print("|---" * 8 + "|")
    for size in args.sizes:
        scene = simulate(SimulateConfig(height=size, width=size, count=max(12, size**2 // 8000), seed=1))
        answers, forest, looked, late = live(viewer, bench, scene, args.strokes)
        (a50, a95), (f50, f95) = np.percentile(answers, [50, 95]), np.percentile(forest, [50, 95])
        cells = [f"{looked:.1f} s", f"{a50:.2f} s", f"{a95:.2f} s", f"{f50:.2f} s", f"{f95:.2f} s", f"{f50 / a50:.1f}", f"{late:.0f} ms"]
        print(f"| {size}² ({len(answers)} strokes) | " + " | ".join(cells) + " |", flush=True)
    viewer.close()


if __name__ == "__main__":
    main()
