"""The pictures of the window in README and docs: simulated micrographs only, real clicks, real training.

xvfb-run -a -s "-screen 0 1400x900x24" python docs/window.py [FOLDER]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_FOLDER = tempfile.TemporaryDirectory()
for _name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
    os.environ[_name] = _FOLDER.name

import napari  # noqa: E402  after the folders, where it keeps its settings
from PIL import Image  # noqa: E402
from qtpy.QtCore import QEventLoop, Qt, QTimer  # noqa: E402

from napari_temseg.engine.simulate.micrographs import simulate  # noqa: E402
from napari_temseg.engine.types.config import SimulateConfig, TrainConfig  # noqa: E402
from napari_temseg.widgets.particles.pooling import Pool  # noqa: E402

SIZE = (1280, 800)


def pause(seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Let the window live for a while, or until something is so."""
    loop, watch, end = QEventLoop(), QTimer(), time.monotonic() + seconds
    watch.timeout.connect(lambda: loop.quit() if until() or time.monotonic() > end else None)
    watch.start(30)
    loop.exec()


def idle(session: Any) -> None:
    """Wait until nothing runs."""
    pause(0.3)
    pool = session.part(Pool)
    pause(600, lambda: not session.jobs.running and not session.jobs.looking and not pool.busy)
    pause(1.0)


def shoot(viewer: Any, path: Path) -> None:
    """The whole window as a PNG with a palette: a quarter of the size, and no eye sees it."""
    pause(0.5)
    pixels = viewer.screenshot(canvas_only=False, flash=False)
    Image.fromarray(pixels[..., :3]).quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path, f"{path.stat().st_size / 1024:.0f} kB", flush=True)


def strokes(truth: np.ndarray, every: int = 48) -> np.ndarray:
    """Short strokes on some particles and on the background, as a user paints them."""
    painted = np.zeros_like(truth)
    rng = np.random.default_rng(1)
    for y in range(every // 2, truth.shape[0], every):
        x = int(rng.integers(20, truth.shape[1] - 60))
        run = slice(x, x + 26)
        if np.ptp(truth[y - 2 : y + 2, run]) == 0:
            painted[y - 2 : y + 2, run] = truth[y, x]
        else:
            keep = truth[y - 2 : y + 2, run] == 2
            painted[y - 2 : y + 2, run][keep] = 2
    return painted


def main() -> None:
    """Walk through the four steps and take a picture of each."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    config = SimulateConfig(
        height=640, width=760, count=70, diameter=44, spread=1.3, shapes=("sphere", "rod", "faceted"), touching=0.45, contrast=0.5,
        support=0.05, dose=60, pixel_size=0.42, scale_bar=False, seed=5,
    )  # fmt: skip
    drawn = simulate(config)
    from napari_temseg.widgets.canvas.micrograph_layer import add_micrograph
    from napari_temseg.widgets.improve.trainer import Trainer
    from napari_temseg.widgets.workbench import Workbench

    viewer = napari.Viewer()
    window = viewer.window._qt_window
    window.setGeometry(0, 0, *SIZE)
    add_micrograph(viewer, drawn.micrograph, "grid_07")
    bench = Workbench(viewer)
    dock = viewer.window.add_dock_widget(bench, name="TEM particles", area="right")
    window.resizeDocks([dock], [360], Qt.Orientation.Horizontal)
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.reset_view()
    session = bench.session
    bench.go(1)
    pause(0.5)
    bench.panel(1).one.click()
    idle(session)
    shoot(viewer, folder / "window_find.png")
    bench.go(2)
    bench.panel(2).labelling.new.click()
    layer = session.current.annotation
    layer.data[...] = strokes(drawn.classes)
    layer.refresh()
    layer.events.paint(value=[])
    trainer = session.part(Trainer)
    trainer.train("particles", TrainConfig(max_seconds=60))
    pause(300, lambda: len(trainer.points) > 3 or not session.jobs.running)
    shoot(viewer, folder / "window_improve.png")
    idle(session)
    bench.go(3)
    layer.visible = False
    idle(session)
    table = session.current.measurement.table
    session.select([int(table["particle"].iloc[len(table) // 2])])
    pause(120, lambda: "being worked out" not in bench.panel(3).result.sizes.text())  # the interval of the segmentation
    viewer.reset_view()
    shoot(viewer, folder / "window_particles.png")
    viewer.close()


if __name__ == "__main__":
    main()
