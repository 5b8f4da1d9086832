"""Real viewers on a real (virtual) screen; every test starts with empty settings and ends without a job or a widget left."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import coverage
import numpy as np
import pytest
from leftovers import nothing_left

os.environ.setdefault("NAPARI_ENSURE_PLUGIN_MAIN_THREAD", "1")
PATIENCE = 180_000
TRACED_FIRST, TRACED_EACH = 2, 12  # tests of each file that are traced for coverage: the first, and of all each of so many
gc.set_threshold(20_000, 20, 20)  # the many objects of a viewer would have it collect a hundred times a test: a sixth of all time
_frozen = 0  # modules that were loaded when libraries were last frozen
_untraced: set[str] = set()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real viewers draw with OpenGL, which needs a screen; what is traced is chosen."""
    here = Path(__file__).parent
    own = [item for item in items if here in item.path.parents]
    found = Counter[Path]()
    for item in own:
        if found[item.path] >= TRACED_FIRST and found[item.path] % TRACED_EACH:
            _untraced.add(item.nodeid)
        found[item.path] += 1
    if own and not _has_screen():
        if os.environ.get("TEMSEG_NEEDS_SCREEN"):
            pytest.exit("no screen for the tests of the window: Xvfb is missing", 1)
        for item in own:
            item.add_marker(pytest.mark.skip(reason="no screen, and no Xvfb to make one"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """What a viewer and a dock do in every test is traced for coverage in some: all of it took a third of these tests' time."""
    tracing = coverage.Coverage.current() if item.nodeid in _untraced else None
    if tracing is not None:
        tracing.stop()
    try:
        return (yield)
    finally:
        if tracing is not None:
            tracing.start()


def _has_screen() -> bool:
    """A virtual one is made where there is none, and for each of several processes: keys, focus and clipboard belong to a screen."""
    there = sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if shutil.which("Xvfb") and (not there or "PYTEST_XDIST_WORKER" in os.environ):
        os.environ["DISPLAY"] = _new_screen()
        os.environ.pop("WAYLAND_DISPLAY", None)
        there = True
    return there


def _new_screen() -> str:
    """The name of a virtual screen that goes after this process: Qt that loses it while Python ends makes an error of that."""
    with tempfile.NamedTemporaryFile("r") as named:
        start = f"Xvfb -displayfd 1 -screen 0 1400x900x24 -nolisten tcp >{named.name} 2>/dev/null & screen=$!"
        stop = f"(while kill -0 {os.getpid()}; do sleep 1; done; kill $screen) >/dev/null 2>&1 &"
        subprocess.run(["sh", "-c", f"{start}; {stop}"], check=True, start_new_session=True)
        end = time.monotonic() + 60
        while not (number := named.read().strip()):
            if time.monotonic() > end:
                pytest.exit("no virtual screen: Xvfb did not start", 1)
            time.sleep(0.05)
    return f":{number}"


@pytest.fixture(scope="session", autouse=True)
def _known_timers() -> None:
    from leftovers_of_windows import trace_workers, watch_timers

    from napari_temseg.widgets.jobs.preload import load_compiler

    load_compiler()  # tests of the engine may come after those of the window, in whose process OpenGL is

    import napari_temseg.widgets.workbench  # noqa: F401

    _freeze_libraries()
    watch_timers()
    trace_workers()


def _freeze_libraries() -> None:
    """What libraries hold is there to stay: to look through it after every test took a quarter of these tests' time."""
    global _frozen
    if len(sys.modules) > _frozen:
        gc.collect()
        gc.freeze()
        _frozen = len(sys.modules)


@pytest.fixture(scope="session", autouse=True)
def _known_plugins() -> Iterator[None]:
    """Manifests of what is installed are read once, not for every viewer."""
    from npe2 import PluginManifest

    found: dict[Any, list[Any]] = {}
    discover = PluginManifest.discover

    def known(paths: Any = ()) -> Iterator[Any]:
        if (key := tuple(map(str, paths))) not in found:
            found[key] = list(discover(paths=paths))
        yield from found[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManifest, "discover", known)
        yield


@pytest.fixture(autouse=True)
def _known_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches of the same pictures ask the network once."""
    from known_answers import remember

    remember(monkeypatch)


@pytest.fixture(autouse=True)
def _a_clean_screen(_known_timers: None) -> Iterator[None]:
    """Every test leaves keys, clipboard, windows, timers and napari as it found them; it starts with no notification."""
    from leftovers_of_windows import WINDOWS, settle
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()
    with nothing_left(*WINDOWS, settle=settle):
        yield
    _freeze_libraries()  # those that the test was the first to need; its own viewer is gone


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, autosaves and logs of a test lie in its own folder."""
    for name in ("user_config_path", "user_data_path", "user_log_path"):
        folder = tmp_path / name
        monkeypatch.setattr(f"platformdirs.{name}", lambda *_, folder=folder, **__: folder)
    import napari_temseg.widgets.session.settings as settings

    monkeypatch.setattr(settings, "user_config_path", lambda *_, **__: tmp_path / "config")


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any], qtbot: Any) -> Iterator[Any]:
    """A napari viewer that must not leave widgets behind."""
    from leftovers_of_windows import settle

    made = make_napari_viewer(strict_qt=True)
    yield made
    from napari_temseg.widgets.session.session import Session

    for session in made.window._qt_window.findChildren(Session) if hasattr(made.window, "_qt_window") else ():
        session.close()
    settle()
    gc.collect()


@pytest.fixture
def open_bench(qtbot: Any) -> Callable[[Any], Any]:
    """Open the dock in a viewer: `bench = open_bench(viewer)`."""

    def opened(viewer: Any) -> Any:
        from napari_temseg.widgets.workbench import Workbench

        bench = Workbench(viewer)
        viewer.window.add_dock_widget(bench, name="TEM particles", area="right")
        return bench

    return opened


@pytest.fixture
def on_small_screen(qtbot: Any) -> Callable[[Any], None]:
    """Show the window of a dock as on a screen of 1280 × 800: `on_small_screen(bench)`."""

    def shown(bench: Any) -> None:
        from qtpy.QtCore import Qt
        from qtpy.QtWidgets import QDockWidget

        window = bench.session.viewer.window._qt_window
        window.show()
        window.setGeometry(0, 0, 1280, 800)
        dock = bench
        while not isinstance(dock, QDockWidget):
            dock = dock.parentWidget()
        window.resizeDocks([dock], [360], Qt.Orientation.Horizontal)
        qtbot.waitUntil(lambda: bench.height() > 700 and bench.width() > 330)

    return shown


@pytest.fixture
def clipboard(qapp: Any) -> Iterator[Any]:
    """The clipboard, which afterwards holds what it held before."""
    found = qapp.clipboard()
    before = found.text()
    yield found
    found.setText(before)


@pytest.fixture
def press(qtbot: Any) -> Callable[[Any, Any, Any], None]:
    """Press a key while another is held down, and let go of both: `press(widget, Key_C, ControlModifier)`.

    After Qt's own `keyClick`, Qt believes that the other one is still held, also in the next test.
    """

    def pressed(widget: Any, key: Any, modifier: Any) -> None:
        from qtpy.QtCore import Qt

        qtbot.keyClick(widget, key, modifier)
        qtbot.keyRelease(widget, Qt.Key.Key_unknown, Qt.KeyboardModifier.NoModifier)

    return pressed


@pytest.fixture
def qtbot(qtbot: Any) -> Any:
    """Its waits end when what they wait for has come; how long that may take is no matter of the test, whatever it says."""
    until, signal = qtbot.waitUntil, qtbot.waitSignal
    qtbot.waitUntil = lambda happened, *, timeout=0: until(happened, timeout=max(timeout, PATIENCE))
    qtbot.waitSignal = lambda sent, *, timeout=0, **how: signal(sent, timeout=max(timeout, PATIENCE), **how)
    return qtbot


@pytest.fixture
def idle(qtbot: Any) -> Callable[[], None]:
    """Wait until all that was set in motion in the main thread has happened: no event waits, no timer of ours is about to go off."""
    from leftovers_of_windows import drain, due, hurry

    def wait() -> None:
        drain()
        hurry()
        qtbot.waitUntil(lambda: not due())
        drain()

    return wait


@pytest.fixture
def wait_jobs(qtbot: Any, idle: Any) -> Callable[[Any], None]:
    """Wait until nothing runs in a session, and nothing is about to: `wait_jobs(session)`."""
    from leftovers_of_windows import due

    def wait(session: Any) -> None:
        idle()
        qtbot.waitUntil(lambda: not session.jobs.running and not session.jobs.looking)
        idle()
        qtbot.waitUntil(lambda: not session.jobs.running and not session.jobs.looking and not due())
        idle()

    return wait


@pytest.fixture
def wait_chores(qtbot: Any, idle: Any) -> Callable[[Any], None]:
    """Wait until a session's chores are done and told, such as looking up and writing what is kept: `wait_chores(session)`."""

    def wait(session: Any) -> None:
        idle()
        done: list[bool] = []
        session.jobs.later(lambda: True, done.append)  # they are done in order
        qtbot.waitUntil(lambda: bool(done))
        idle()

    return wait


@pytest.fixture(scope="session")
def picture() -> Any:
    """A simulated micrograph with its truth: 256 px, about 12 particles of 28 px, calibrated to 0.5 nm."""
    import napari_temseg as temseg

    return temseg.simulate(temseg.SimulateConfig(height=256, width=256, count=12, diameter=28, touching=0.3, seed=3))


@pytest.fixture(scope="session")
def stack(picture: Any) -> Any:
    """Three planes (3, 192, 192) cut from simulated micrographs."""
    planes = [picture.micrograph.data[y : y + 192, x : x + 192] for y, x in ((0, 0), (64, 0), (0, 64))]
    return np.stack(planes)


@pytest.fixture
def bench(viewer: Any, open_bench: Any, picture: Any) -> Any:
    """The dock at *Improve*, over 192 px of the picture that lies calibrated somewhere in the world."""
    viewer.add_image(picture.micrograph.data[:192, :192], name="grid", scale=(0.5, 0.5), translate=(10, 20), units=("nm", "nm"))
    made = open_bench(viewer)
    made.go(2)
    return made


@pytest.fixture
def grid(viewer: Any, picture: Any, tmp_path: Path) -> Any:
    """A picture that came from a file."""
    path = tmp_path / "pictures" / "a_grid_with_a_name_that_nobody_would_type_twice.png"
    path.parent.mkdir()
    layer = viewer.add_image(picture.micrograph.data, name=path.stem)
    layer._source = layer.source.model_copy(update={"path": str(path)})
    return layer


@pytest.fixture
def adopt() -> Callable[[Any, Any, Any], None]:
    """Give a picture particles that no model found: `adopt(session, item, labels)`."""
    from napari_temseg.engine.measure.measurement import measure
    from napari_temseg.engine.types.results import Particles
    from napari_temseg.widgets.session.history import FOUND_STEP
    from napari_temseg.widgets.session.results.state import ResultState, commit

    def adopted(session: Any, item: Any, labels: Any) -> None:
        bare = measure(labels.astype(np.int32)).table.set_index("particle")
        table = bare[["class", "plane", "aggregate", "frame", "cut"]].assign(class_id=2)
        particles = Particles(labels.astype(np.int32), table, item.micrograph())
        commit(session, item, ResultState(None, particles, measure(particles)), FOUND_STEP)

    return adopted
