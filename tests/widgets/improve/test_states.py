"""What enables each button of step 3: a table, held against the real window through random sequences of what a person may do."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.widgets.particles.tools.undo_keys import UndoKeys
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.questions import Answer, Questions

STEPS = 40 if os.environ.get("CI") else 80
SAMPLES = ("", "powder", "rods")


class Plain:
    """What is true of a session, by the plainest look at it: pixels of annotations, tables, what was ticked and whether a job runs."""

    def __init__(self, bench: Any) -> None:
        self.session, self.panel = bench.session, bench.panel(2)
        self.ticked: dict[Any, tuple[bool, Any]] = {}  # by hand, and what was in hand then

    @property
    def here(self) -> Any:
        return self.session.current

    @property
    def busy(self) -> bool:
        return bool(self.session.jobs.running)

    def painted(self, item: Any) -> set[int]:
        return set() if item is None or item.annotation is None else set(np.unique(item.annotation.data).tolist()) - {0}

    def taught(self, item: Any) -> set[int]:
        """Classes that a picture teaches: those of its strokes, else those of its particles once they were reviewed."""
        corrected = item.particles is not None and item.reviewed
        return self.painted(item) or ({1, *item.particles.table["class_id"].tolist()} if corrected else set())

    def alike(self, item: Any) -> bool:
        if self.here in (None, item):
            return True
        if not (item.sample and self.here.sample):
            return bool(item.frame == self.here.frame)  # no picture of these tests has a folder, a pixel size, or was searched
        return bool(item.sample == self.here.sample)

    def trained(self) -> list[Any]:
        return [item for item in self.session.items if self.taught(item) and self.said(item)]

    def said(self, item: Any) -> bool:
        on, beside = self.ticked.get(item, (None, None))
        return self.alike(item) if on is None or (item is self.here and item is not beside) else on

    def table(self) -> dict[str, tuple[Any, bool]]:
        """A line for each button: the button, and whether it can be pressed."""
        panel, here, trained = self.panel, self.here, self.trained()
        there = here is not None
        painting = there and here.annotation is not None
        known = there and bool(here.axes)
        classes = set().union(*map(self.taught, trained)) if trained else set()
        live = panel.live.model.on and panel.start.base != "none"
        return {
            "Train": (panel.train, len(classes) >= 2 and all(item.axes for item in trained) and not self.busy),
            "Go back": (panel.back, False),  # nothing was trained
            "Try it anyway": (panel.try_it, False),
            "New annotation": (panel.labelling.new, there),
            "From my labels…": (panel.labelling.use, there),
            "Fill from result…": (panel.labelling.take, there and (here.particles is not None or here.prediction is not None)),
            "Fill from strokes": (panel.labelling.draft, painting and known and not self.busy),
            "↶": (panel.labelling.undo, False),  # nothing was filled
            "Erase": (panel.classes.eraser, painting),
            "Next place": (panel.live.next, known and not self.busy and (here.prediction is not None or live)),
            "Use this result": (panel.live.use, False),  # Live is off
        }


def check(plain: Plain, when: str) -> None:
    for name, (button, wanted) in plain.table().items():
        assert button.isEnabled() == wanted, f"{name} is {'grey' if wanted else 'enabled'} {when}: {plain.panel.note.text()}"
    for item, box in plain.panel.set.boxes.items():
        assert box.isChecked() == (item in plain.trained()), f"the tick of {item.name} {when}"
    assert set(plain.panel.set.boxes) >= set(plain.trained()), when
    waits = plain.panel.note.text()
    assert plain.busy or bool(waits) != plain.table()["Train"][1], f"“{waits}” {when}"


@pytest.fixture
def plain(viewer: Any, open_bench: Any, picture: Any, stack: Any) -> Plain:
    for name, pixels in (("one", picture.micrograph.data[:96, :96]), ("two", picture.micrograph.data[96:192, :96]), ("planes", stack)):
        viewer.add_image(np.ascontiguousarray(pixels), name=name)
    bench = open_bench(viewer)
    bench.go(2)
    bench.panel(2).live.box.click()  # nobody needs it here
    return Plain(bench)


class Person:
    """Does one thing after another."""

    def __init__(self, plain: Plain, rng: random.Random, adopt: Any) -> None:
        self.plain, self.rng, self.adopt, self.session = plain, rng, adopt, plain.session
        self.go_on = threading.Event()
        self.keys = self.session.part(UndoKeys)

    def acts(self) -> list[Callable[[], Any]]:
        """All that can be done now."""
        here, can = self.plain.here, [self.switch, self.rename_sample, self.question, self.close]
        can += [self.stop] if self.plain.busy else [self.start]
        if here is None:
            return [self.switch] if self.session.items else [self.stop]
        can += [self.paint, self.paint, self.paint, self.undo, self.undo, self.redo, self.redo, self.redraw, self.remove, self.tick]
        can += [self.new] * (here.annotation is None) + [self.say_axes] * (not here.axes) + [self.review] * (here.n_planes == 1)
        return can

    def paint(self) -> None:
        layer = self.plain.here.annotation
        if layer is not None:
            layer.brush_size = self.rng.choice([1, 7, 150])
            place = [self.rng.randrange(n) for n in layer.data.shape]
            if layer.ndim == 3:
                place[0] = self.session.shown_plane(self.plain.here)
            layer.paint(tuple(place), self.rng.choice([0, 1, 2]))

    def undo(self) -> None:
        self.keys.undo()

    def redo(self) -> None:
        self.keys.redo()

    def redraw(self) -> None:
        if self.plain.here.annotation is not None:
            self.plain.here.annotation.refresh()

    def new(self) -> None:
        self.plain.panel.labelling.new.click()

    def remove(self) -> None:
        if self.plain.here.annotation is not None and self.rng.random() < 0.2:
            self.session.viewer.layers.remove(self.plain.here.annotation)

    def switch(self) -> None:
        self.session.set_current(self.rng.choice(self.session.items))
        self.session.reveal()

    def tick(self) -> None:
        boxes = self.plain.panel.set.boxes
        if boxes:
            item = self.rng.choice(list(boxes))
            self.plain.ticked[item] = not boxes[item].isChecked(), self.plain.here
            boxes[item].click()

    def rename_sample(self) -> None:
        self.session.set_sample(self.rng.choice(self.session.items), self.rng.choice(SAMPLES))

    def say_axes(self) -> None:
        self.session.set_axes(self.plain.here, "NYX")

    def question(self) -> None:
        questions, item = self.session.part(Questions), self.rng.choice(self.session.items)
        if questions.on(item, "test") is None:
            questions.ask(item, "test", "Is it so?", [Answer("Yes", "yes", lambda: None)])
        else:
            questions.drop(item, "test")

    def review(self) -> None:
        item = self.plain.here
        if item.particles is None:
            labels = np.zeros(item.frame, np.int32)
            labels[10:20, 10:20] = 1
            self.adopt(self.session, item, labels)
        item.reviewed = not item.reviewed
        self.session.item_changed.emit(item, Change.REVIEW)

    def start(self) -> None:
        self.go_on.clear()

        def steps(control: Control) -> Generator[Progress, None, bool]:
            while not self.go_on.is_set() and not control.cancelling:
                self.go_on.wait(0.02)
                yield Progress("work", 0.0, "working", control.elapsed)
            return True

        self.session.jobs.start("something long", lambda: Job(steps), lambda _: None)

    def stop(self) -> None:
        self.go_on.set()

    def close(self) -> None:
        if len(self.session.items) > 2 and self.rng.random() < 0.1:
            self.session.viewer.layers.remove(self.rng.choice(self.session.items).layer)


def test_each_button_of_step_3_can_be_pressed_where_its_line_says_so_at_once(plain: Plain, adopt: Any, idle: Any, qtbot: Any) -> None:
    seed = 1 if os.environ.get("CI") else random.randrange(1 << 30)
    person, done = Person(plain, random.Random(seed), adopt), []
    check(plain, "at the start")
    try:
        for _ in range(STEPS):
            act = person.rng.choice(person.acts())
            act()
            done.append(act.__name__)
            said = f"after {' '.join(done[-12:])} (seed {seed}, {len(done)})"
            if act == person.stop:
                qtbot.waitUntil(lambda: not plain.busy)
            check(plain, f"at once {said}")
            idle()
            check(plain, said)
    finally:
        person.stop()
    qtbot.waitUntil(lambda: not plain.busy)


def test_strokes_of_one_class_never_enable_training_while_they_are_counted(plain: Plain, idle: Any) -> None:
    person = Person(plain, random.Random(0), None)
    plain.session.set_current(plain.session.items[0])
    plain.session.reveal()
    idle()
    plain.panel.labelling.new.click()
    layer = plain.here.annotation
    layer.paint((30, 30), 2)
    check(plain, "with a stroke on a particle")
    layer.paint((60, 60), 1)
    check(plain, "with one on background too")
    person.undo()
    check(plain, "after its undo")
    person.redo()
    check(plain, "after its redo")
    plain.session.set_current(plain.session.items[1])
    plain.session.reveal()
    check(plain, "on another picture")
    idle()
    check(plain, "when all is counted")


def test_pictures_of_another_kind_are_ticked_by_hand_only(viewer: Any, open_bench: Any, picture: Any, tmp_path: Path, qtbot: Any) -> None:
    kinds = {"one": ("powder", 0.5), "two": ("powder", 0.4), "magnified": ("powder", 0.05), "elsewhere": ("other", 0.5)}
    for number, (name, (folder, pixel)) in enumerate(kinds.items()):
        layer = viewer.add_image(picture.micrograph.data[:96, :96].copy(), name=name, scale=(pixel, pixel), units=("nm", "nm"))
        layer.translate = (100 * number, 0)
        layer._source = layer.source.model_copy(update={"path": str(tmp_path / folder / f"{name}.png")})
    bench = open_bench(viewer)
    bench.go(2)
    panel, session = bench.panel(2), bench.session
    panel.live.box.click()  # nobody needs it here
    items = {item.name: item for item in session.items}
    for item in items.values():
        session.set_current(item)
        panel.labelling.new.click()
        item.annotation.paint((30, 30), 2)
        item.annotation.paint((60, 60), 1)

    def ticked(current: str) -> set[str]:
        session.set_current(items[current])
        session.reveal()
        return {item.name for item, box in panel.set.boxes.items() if box.isChecked()}

    assert ticked("one") == ticked("two") == {"one", "two"}
    assert "not like the image in hand" in panel.set.boxes[items["elsewhere"]].toolTip()
    assert ticked("magnified") == {"magnified"}
    assert ticked("elsewhere") == {"elsewhere"}
    for name in ("one", "elsewhere"):  # whoever names the sample knows best
        session.set_sample(items[name], "gold")
    assert ticked("one") == {"one", "two", "elsewhere"}
    session.set_sample(items["two"], "silver")
    assert ticked("one") == {"one", "elsewhere"}
    panel.set.boxes[items["two"]].click()  # what somebody said holds on every picture
    panel.set.boxes[items["elsewhere"]].click()
    assert ticked("one") == {"one", "two"}
    assert ticked("magnified") == {"two", "magnified"}
    qtbot.waitUntil(lambda: panel.annotator.counts()[2].objects == 2)
