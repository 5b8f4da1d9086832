"""What only a process of its own can show: the dock opens without torch, which then loads beside the OpenGL driver of the window."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys, time
import numpy as np
import napari
from qtpy.QtWidgets import QApplication

viewer = napari.Viewer()
viewer.add_image(np.random.default_rng(0).normal(size=(96, 96)).astype(np.float32), name="noise")
QApplication.processEvents()
viewer.screenshot(canvas_only=True, flash=False)  # the driver is loaded now
from napari_temseg.widgets.workbench import Workbench
bench = Workbench(viewer)
viewer.window.add_dock_widget(bench, name="TEM particles")
QApplication.processEvents()
heavy = [name for name in ("torch", "torchvision", "segmentation_models_pytorch", "sklearn", "matplotlib.pyplot") if name in sys.modules]
print("heavy:", heavy)
bench.panel(1).one.click()
end = time.monotonic() + 900
while bench.session.jobs.running and time.monotonic() < end:
    QApplication.processEvents()
    time.sleep(0.01)
print("found:", bench.session.current.particles is not None, "torch" in sys.modules)
viewer.close()
"""


def test_the_dock_opens_without_torch_and_torch_loads_in_the_first_job(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=1000, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "heavy: []" in done.stdout
    assert "found: True True" in done.stdout
