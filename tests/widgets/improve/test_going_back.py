"""*Go back* brings back model and result from before a training, on each picture that it changed, whatever was done since, or asks."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import numpy as np

import napari_temseg as temseg
from napari_temseg.engine.model.network_spec import NetworkSpec
from napari_temseg.widgets.improve.going_back import WORKED_ON
from napari_temseg.widgets.improve.search_again import NOT_SEARCHED
from napari_temseg.widgets.improve.trainer import Trainer
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.session.questions import Questions

STEPS = 20 if os.environ.get("CI") else 30
SPEC = NetworkSpec("mobilenet_v2", (16, 16, 8, 8, 8), 2, ("distance",))


def network(seed: int) -> Any:
    model = temseg.Segmenter.new(SPEC, {1: "background", 2: "particle"}, seed=seed)
    model.history.append({"notes": [], "best_step": 1})
    return model


class Somebody:
    """Does one thing after another, and notes what each training found when it came."""

    def __init__(self, bench: Any, wait: Callable[[], None], rng: random.Random) -> None:
        self.bench, self.session, self.wait, self.rng = bench, bench.session, wait, rng
        self.trainer, self.questions = self.session.part(Trainer), self.session.part(Questions)
        self.before: dict[str, dict[Any, str]] = {}  # by model: the model that each picture had
        self.shown: dict[Any, dict[int, tuple[Any, str]]] = {}  # by picture: what it showed after so many steps, and the model's hash
        self.worked: set[Any] = set()  # pictures that a hand was laid on

    @property
    def here(self) -> Any:
        return self.session.current

    def note(self) -> None:
        """After everything done: what each picture shows; what was taken back is no more."""
        for item in self.session.items:
            steps, shown = len(item.history), self.shown.setdefault(item, {})
            by = item.prediction.model_hash if item.prediction is not None else ""
            self.shown[item] = {n: each for n, each in shown.items() if n < steps} | {steps: (item.particles, by)}

    def good(self, item: Any, made: str) -> Any:
        """The newest particles of a picture that a model did not make."""
        digest = self.session.models[made].content_hash()
        return next((particles for _, (particles, by) in sorted(self.shown[item].items(), reverse=True) if by != digest), None)

    def train(self) -> None:
        session, trainer = self.session, self.trainer
        before = {item: session.model_of(item) for item in session.items}
        trainer.ended, trainer._before, trainer._taught = True, session.model, WeakSet([self.here])
        trainer.unused = network(self.rng.randrange(1 << 20))
        trainer.try_it()
        for item in session.items:  # another field of the sample
            if item is not self.here and session.model_of(item) == trainer.made and item.particles is not None:
                assert self.questions.on(item, NOT_SEARCHED) is not None
        self.before[trainer.made] = before

    def find(self) -> None:
        self.bench.panel(1).one.click()

    def split(self) -> None:
        panel = self.bench.panel(1)
        panel.split.fields["strength"].value = self.rng.choice([0.2, 0.5, 0.8])
        panel._delay.stop()
        panel._resplit()

    def correct(self) -> None:
        particles = self.here.particles
        if particles is not None and self.rng.random() < 0.3 and not particles.labels[5:19, 5:19].all():  # it may have been done before
            patch = np.array([[4.0, 4.0], [4.0, 20.0], [20.0, 20.0], [20.0, 4.0]])
            self.session.part(Corrector).add(patch)
            self.worked.add(self.here)

    def switch(self) -> None:
        self.session.set_current(self.rng.choice(self.session.items))
        self.session.reveal()  # as a choice at the top of the dock does

    def undo(self) -> None:
        self.here.history.undo()

    def redo(self) -> None:
        self.here.history.redo()

    def choose(self) -> None:
        if self.rng.random() < 0.3:
            self.session.use_model(self.rng.choice(["base", *self.before]))

    def answer(self) -> None:
        question = self.questions.of(self.here)
        if question is not None:
            self.questions.answer(question, self.rng.choice(question.answers))

    def go_back(self) -> None:
        panel, session = self.bench.panel(2), self.session
        panel.refresh()
        if not panel.back.isEnabled():
            return
        used = session.model
        digest = session.models[used].content_hash()
        alike = {item for item in session.items if item is self.here or item.sample == self.here.sample != ""}
        changed = [item for item in alike if session.model_of(item) == used]
        good = {item: self.good(item, used) for item in changed}
        panel.back.click()
        for item in changed:
            assert session.model_of(item) == self.before[used][item]
            if item.prediction is not None and item.prediction.model_hash == digest:  # a hand was laid on it, or nothing was there before
                open_ones = [about for about in (WORKED_ON, NOT_SEARCHED) if self.questions.on(item, about) is not None]
                assert open_ones if item in self.worked else open_ones == [NOT_SEARCHED]
            elif item not in self.worked:
                assert item.particles is good[item]
        self.check()

    def check(self) -> None:
        """Model box, verdict and what is shown say the same."""
        panel, item = self.bench.panel(2), self.here
        panel.refresh()
        assert self.bench.panel(1).model.currentData() == self.session.model
        told, by = panel.verdict.text(), item.prediction and self.session.model_names.get(item.prediction.model_hash)
        if "is in use" in told and item in self.trainer.learnt:
            assert told.startswith(f"“{self.session.model}” is in use")
            assert (f"these outlines are of “{by}”" in told) == (by is not None and by != self.session.model)


def test_model_result_and_what_is_said_agree_whatever_was_done(viewer: Any, open_bench: Any, picture: Any, wait_jobs: Any) -> None:
    seed = 1 if os.environ.get("CI") else random.randrange(1 << 30)
    for name, y in (("one", 0), ("two", 96), ("three", 160)):
        viewer.add_image(picture.micrograph.data[y : y + 64, :64].copy(), name=name)
    bench = open_bench(viewer)
    session = bench.session
    session.items[0].sample = session.items[1].sample = "powder"
    session.add_model("base", network(0))
    bench.panel(2).live.box.click()  # nobody needs it here
    person = Somebody(bench, lambda: wait_jobs(session), random.Random(seed))
    acts = [person.train, person.find, person.find, person.split, person.correct, person.switch, person.switch]
    acts += [person.undo, person.redo, person.choose, person.answer, person.go_back, person.go_back, person.go_back]
    done: list[str] = []
    for act in (person.find, person.train, person.split, person.go_back, *(person.rng.choice(acts) for _ in range(STEPS))):
        done.append(act.__name__)
        try:
            act()
            wait_jobs(session)
            person.note()
            person.check()
        except Exception as error:
            raise AssertionError(f"{error!r} after {' '.join(done)} (seed {seed})") from error
