"""Each viewer has a session of its own."""

from __future__ import annotations

from typing import Any

from napari.utils._proxies import PublicOnlyProxy

from napari_temseg.widgets.canvas import main_window


def test_two_viewers_do_not_meet(make_napari_viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any, picture: Any, idle: Any) -> None:
    first, second = make_napari_viewer(), make_napari_viewer()
    first.add_image(picture.micrograph.data, name="grid")
    second.add_image(picture.micrograph.data[:192, :192], name="grid")
    one, other = open_bench(first), open_bench(second)
    assert one.session is not other.session
    one.panel(1).one.click()
    other.panel(1).one.click()
    wait_jobs(one.session)
    wait_jobs(other.session)
    assert one.session.current.particles.labels.shape == (256, 256)
    assert other.session.current.particles.labels.shape == (192, 192)
    assert {layer.name for layer in second.layers} == {layer.name for layer in first.layers}
    one.panel(1).one.click()
    first.close()
    idle()
    other.panel(1).one.click()
    wait_jobs(other.session)
    assert other.session.current.particles is not None
    other.session.close()


def test_the_window_is_found_through_the_proxy_that_plugins_get(viewer: Any) -> None:
    proxy = PublicOnlyProxy(viewer)
    assert main_window.window_of(proxy) is main_window.window_of(viewer)
    assert main_window.window_part(proxy, "canvas") is main_window.window_part(viewer, "canvas")
    assert main_window.window_part(proxy, "canvas", "no such part", "nor this") is None
