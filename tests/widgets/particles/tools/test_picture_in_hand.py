"""Tools work on the picture that is on the screen, and on no other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from in_the_window import mouse

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.images.ruler import Ruler
from napari_temseg.widgets.session.regions import Regions


@pytest.fixture
def bench(viewer: Any, open_bench: Any, adopt: Any, qtbot: Any) -> Any:
    """Step 4 over two pictures at one place, each with two particles; the first is shown, the second hidden."""
    labels = np.zeros((80, 80), np.int32)
    labels[10:30, 10:30] = 1
    labels[40:60, 40:70] = 2
    made = open_bench(viewer)
    for name in ("one", "two"):
        viewer.add_image(np.where(labels > 0, 20, 200).astype(np.uint8), name=name)
        adopt(made.session, made.session.items[-1], labels.copy())
    made.go(3)
    made.session.set_current(made.session.items[0])
    made.session.reveal()
    qtbot.waitUntil(made.panel(3).add.isEnabled)
    return made


def shown(bench: Any) -> list[str]:
    return [item.name for item in bench.session.items if item.layer.visible]


@pytest.mark.parametrize("role", [None, Role.PARTICLES, Role.LEFT_OUT], ids=["picture", "particles", "left out"])
def test_a_picture_comes_into_view_with_any_of_its_layers(bench: Any, viewer: Any, idle: Any, role: Role | None) -> None:
    session = bench.session
    one, two = session.items
    session.part(Regions).leave_out(two, [(0, 0, 5, 5)])
    idle()
    assert session.current is one
    assert shown(bench) == ["one"]
    layer = two.layer if role is None else two.made[role]
    viewer.layers.selection.active = layer
    idle()
    assert session.current is two
    assert shown(bench) == ["two"]
    assert viewer.layers.selection.active is layer
    assert two.particles_layer.visible
    assert not one.particles_layer.visible
    bench.panel(3).add.click()
    mouse(viewer, [(70, 15)])
    assert (len(one.particles), len(two.particles)) == (2, 3)


def test_a_picture_under_another_comes_into_view_too(bench: Any, viewer: Any, idle: Any) -> None:
    session = bench.session
    session.set_current(session.items[1])
    session.reveal()
    for item in session.items:
        item.layer.visible = True
    idle()
    viewer.layers.selection.active = session.items[0].layer
    assert shown(bench) == ["one"]


def test_the_picture_in_hand_follows_the_eyes(bench: Any, idle: Any) -> None:
    one, two = bench.session.items
    two.layer.visible = True  # lies over the other
    idle()
    assert bench.session.current is two
    two.layer.visible = False
    idle()
    assert bench.session.current is one


def test_no_tool_works_on_a_picture_that_is_hidden(bench: Any, viewer: Any, idle: Any) -> None:
    session, panel = bench.session, bench.panel(3)
    one = session.current
    session.select([1])
    said: list[str] = []
    session.said.connect(said.append)
    panel.add.click()
    one.layer.visible = False
    idle()
    assert session.current is one
    mouse(viewer, [(70, 15)])
    panel.split.click()
    mouse(viewer, [(20, 5), (20, 35)])
    assert len(one.particles) == 2
    assert "not on the screen" in panel.refusal.sentence
    for action in (panel.corrector.delete, panel.redrawing.redraw, panel.redrawing.draw_new):
        with pytest.raises(TemsegError, match="not on the screen"):
            action()
    ruler = session.part(Ruler)
    ruler.take_up()
    mouse(viewer, [(10, 10), (20, 20), (40, 40)])
    assert ruler.profile is None
    assert "not on the screen" in said[-1]
    ruler.put_down()
