"""How long the window stands still while it works: lateness of a 20 ms timer in the main thread.

    xvfb-run -a -s "-screen 0 1400x900x24" python benchmarks/window.py [--planes 16] [--size 512] [--seconds 30]

Prints p50, p99 and maximum in ms for: nothing running (the peer), the first search (torch is loaded in it), a search through a stack,
a training with preview and curves, and a training while somebody paints. Then p99 over the idle window's p99; `own`, p99 of the processor
time that the window's thread itself took from beat to beat, which a busy machine does not change; how often a second the window was drawn;
and the worker's share: of all processor time that the process took meanwhile, the part of the job's own threads (Linux only, where these
stand back by their nice value); the rest is drawing.
"""

from __future__ import annotations

import argparse
import os
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
from qtpy.QtCore import QEvent, QEventLoop, QObject, Qt, QTimer  # noqa: E402

from napari_temseg.engine.simulate.micrographs import simulate  # noqa: E402
from napari_temseg.engine.types.config import SimulateConfig, TrainConfig  # noqa: E402
from napari_temseg.widgets.jobs.worker import NICE  # noqa: E402

BEAT = 20  # ms


def processor_time() -> dict[int, tuple[int, bool]]:
    """Ticks that each thread took, and whether it is one of a job."""
    found = {}
    for stat in Path("/proc/self/task").glob("*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        found[int(stat.parent.name)] = int(fields[11]) + int(fields[12]), int(fields[16]) >= NICE
    return found


def worker_share(before: dict[int, tuple[int, bool]]) -> float:
    """Part of the processor time since `before` that the threads of jobs took; NaN where nobody can tell."""
    spent = [(ticks - before.get(thread, (0, False))[0], working) for thread, (ticks, working) in processor_time().items()]
    total = sum(ticks for ticks, _ in spent)
    return sum(ticks for ticks, working in spent if working) / total if total else float("nan")


class Drawings(QObject):
    """Counts how often a window is drawn, all that is drawn at once being one."""

    def __init__(self, window: Any) -> None:
        super().__init__(window)
        self.count = 0
        window.installEventFilter(self)

    def eventFilter(self, watched: Any, event: QEvent) -> bool:  # noqa: N802  Qt's name
        """Count."""
        self.count += event.type() == QEvent.Type.UpdateRequest
        return False


class Pulse:
    """Counts how late each beat of a timer comes, and the processor time (ms) of this thread since the last one."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.own: list[float] = []
        self._last = self._spent = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT)
        self._timer.timeout.connect(self._beat)

    def _beat(self) -> None:
        now = time.perf_counter()
        spent = time.thread_time()
        self.late.append(1000 * (now - self._last) - BEAT)
        self.own.append(1000 * (spent - self._spent))
        self._last, self._spent = now, spent

    def during(self, running: Callable[[], bool], each: Callable[[], None] | None = None) -> np.ndarray:
        """Beat while `running`; `each` is called ten times a second."""
        loop, watch = QEventLoop(), QTimer()
        self.late, self.own, self._last, self._spent = [], [], time.perf_counter(), time.thread_time()

        def look() -> None:
            if not running():
                loop.quit()
            elif each is not None:
                each()

        watch.timeout.connect(look)
        watch.start(100)
        self._timer.start()
        loop.exec()
        self._timer.stop()
        watch.stop()
        return np.asarray(self.late)


def main() -> None:
    """Open a window, run everything once, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planes", type=int, default=16)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=30.0, help="time budget of each training")
    args = parser.parse_args()
    planes = [simulate(SimulateConfig(height=args.size, width=args.size, seed=seed)) for seed in range(args.planes)]
    viewer = napari.Viewer()
    viewer.window._qt_window.setGeometry(0, 0, 1280, 800)
    viewer.add_image(np.stack([plane.micrograph.data for plane in planes]), name="stack")
    from napari_temseg.widgets.find.finder import Finder
    from napari_temseg.widgets.improve.trainer import Trainer
    from napari_temseg.widgets.workbench import Workbench

    opened = time.perf_counter()
    bench = Workbench(viewer)
    viewer.window.add_dock_widget(bench, name="TEM particles", area="right")
    print(f"dock opened in {time.perf_counter() - opened:.2f} s (after napari itself)")
    session, pulse, drawings, rows = bench.session, Pulse(), Drawings(viewer.window._qt_window), []
    item = session.current
    if item is None:
        raise SystemExit("no image in hand")
    session.set_axes(item, "NYX")

    def measure(name: str, running: Callable[[], bool], each: Callable[[], None] | None = None) -> None:
        before, drawn, begun = processor_time(), drawings.count, time.monotonic()
        late = pulse.during(running, each)
        rows.append((name, late, np.percentile(pulse.own, 99), (drawings.count - drawn) / (time.monotonic() - begun), worker_share(before)))

    def working() -> bool:
        return session.jobs.running or session.jobs.looking

    settled, end = time.monotonic() + 3, time.monotonic() + 13
    pulse.during(lambda: time.monotonic() < settled)  # the window draws itself first
    measure("idle", lambda: time.monotonic() < end)
    session.part(Finder).find([item])
    measure("first search, torch loads", working)
    session.part(Finder).find([item])
    measure("search through the stack", working)
    bench.go(2)
    annotation = _annotate(bench, planes[0].classes)
    for name, each in (("training", None), ("training, painting on", _painter(annotation, args.size))):
        session.part(Trainer).train("particles", TrainConfig(max_seconds=args.seconds))
        measure(name, working, each)
    reference = float(np.percentile(rows[0][1], 99))
    print(f"{'':28}{'beats':>7}{'p50':>8}{'p99':>8}{'max':>8}{'> 50 ms':>9}{'p99/idle':>10}{'own':>7}{'drawn/s':>9}{'worker':>8}   (ms)")
    for name, late, own, drawn, share in rows:
        p50, p99 = np.percentile(late, [50, 99])
        print(
            f"{name:28}{len(late):7}{p50:8.1f}{p99:8.1f}{late.max():8.1f}{int((late > 50).sum()):9}{p99 / reference:10.1f}"
            f"{own:7.1f}{drawn:9.1f}{share:8.2f}"
        )
    viewer.close()


def _annotate(bench: Any, truth: np.ndarray) -> Any:
    """Strokes on the first plane, as a user would have painted them."""
    bench.panel(2).labelling.new.click()
    layer = bench.session.current.annotation
    strokes = np.zeros_like(truth)
    strokes[::32] = truth[::32]
    layer.data[0] = strokes
    layer.refresh()
    return layer


def _painter(layer: Any, size: int) -> Callable[[], None]:
    rng = np.random.default_rng(0)

    def paint() -> None:
        y, x = rng.integers(0, size, 2)
        layer.paint((0, int(y), int(x)), 1)

    return paint


if __name__ == "__main__":
    main()
