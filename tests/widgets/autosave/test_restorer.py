"""What was written before a process was killed is offered in the next window."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from napari_temseg.widgets.session.data_folder import data_folder
from napari_temseg.widgets.session.results.wording import found_by_another

KILLED = """
import sys, time
from pathlib import Path
import numpy as np
import platformdirs
folders = Path(sys.argv[1])
for name in ("user_data_path", "user_config_path", "user_log_path"):
    setattr(platformdirs, name, lambda *_, name=name, **__: folders / name)
import napari
from qtpy.QtWidgets import QApplication
from napari_temseg.widgets.workbench import Workbench

viewer = napari.Viewer()
viewer.add_image(np.load(folders / "picture.npy"), name="grid")
bench = Workbench(viewer)
viewer.window.add_dock_widget(bench, name="TEM particles")
session = bench.session
session.set_sample(session.current, "batch 7")
bench.panel(2).labelling.new.click()
session.current.annotation.paint((20, 20), 2)
kept = folders / "user_data_path"
end = time.monotonic() + 900
while len(list(kept.glob("*/[!.]*.npz"))) < 2 and time.monotonic() < end:
    QApplication.processEvents()
    time.sleep(0.01)
session.set_sample(session.current, "too late")
print("written", flush=True)
while True:
    QApplication.processEvents()
    time.sleep(0.001)
"""


def test_what_was_written_when_the_process_is_killed_is_offered(
    tmp_path: Path, viewer: Any, open_bench: Any, qtbot: Any, picture: Any
) -> None:
    pixels = picture.micrograph.data[:128, :128]
    np.save(tmp_path / "picture.npy", pixels)
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "napari"), "XDG_CACHE_HOME": str(tmp_path / "napari")}
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment) as process:
        said = process.stdout.readline() if process.stdout is not None else ""
        process.kill()  # no closing, no atexit
    assert said == "written\n"
    assert data_folder() == platformdirs.user_data_path()
    viewer.add_image(pixels, name="renamed")
    bench = open_bench(viewer)
    bar = bench.restore_bar
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=10_000)
    assert "sample batch 7" in bar.text.text()
    assert "strokes" in bar.text.text()
    bar.restore.click()
    qtbot.waitUntil(lambda: bench.session.current.annotation is not None, timeout=10_000)
    assert bench.session.current.sample == "batch 7"
    assert bench.session.current.annotation.data[20, 20] == 2


def test_nothing_is_offered_without_an_image(viewer: Any, open_bench: Any) -> None:
    assert open_bench(viewer).restore_bar.isHidden()


def test_restored_strokes_stay_in_step_3_and_the_list_names_what_found_the_particles(
    viewer: Any, open_bench: Any, make_napari_viewer: Any, qtbot: Any, picture: Any, wait_jobs: Any, wait_chores: Any
) -> None:
    pixels = picture.micrograph.data[:128, :128]
    viewer.add_image(pixels, name="grid")
    first = open_bench(viewer)
    panel, session = first.panel(2), first.session
    first.go(2)
    panel.labelling.new.click()
    session.current.annotation.paint((20, 20), 2)
    qtbot.waitUntil(panel.live.use.isEnabled)
    panel.live.use.click()
    wait_jobs(session)
    found = "particles, corrected by strokes (instant)"
    assert found_by_another(session, session.current) == found
    session.close()
    other = make_napari_viewer(strict_qt=True)
    other.add_image(pixels.copy(), name="grid")
    other.add_image(pixels[::-1].copy(), name="upside down")
    bench = open_bench(other)
    item, second = bench.session.items
    bench.session.set_current(item)
    bench.session.reveal()
    bench.go(3)
    qtbot.waitUntil(lambda: not bench.restore_bar.isHidden(), timeout=10_000)
    bench.restore_bar.restore.click()
    qtbot.waitUntil(lambda: item.annotation is not None and item.particles is not None, timeout=10_000)
    wait_jobs(bench.session)
    assert not item.annotation.visible
    assert found_by_another(bench.session, item) == found
    for each in (second, item):
        bench.session.set_current(each)
        bench.session.reveal()
        assert not item.annotation.visible
    bench.go(2)
    assert item.annotation.visible
    bench.session.close()
