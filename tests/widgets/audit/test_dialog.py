"""The audit in a real viewer: blind first, by keys, kept by the content of the picture, a second person, another result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor

from napari_temseg.engine.measure.measurement import measure
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.results import Particles
from napari_temseg.pipeline.find import measured
from napari_temseg.widgets.audit.dialog import AuditDialog, open_audit
from napari_temseg.widgets.audit.question_view import OUTLINED
from napari_temseg.widgets.session import export
from napari_temseg.widgets.session.data_folder import data_folder
from napari_temseg.widgets.session.item_measurement import named
from napari_temseg.widgets.session.results.state import ResultState, commit

PLACES = [(y, x) for y in range(30, 300, 45) for x in range(30, 300, 45)]


@pytest.fixture
def labels() -> np.ndarray:
    """Thirty-six discs of 20 to 30 px."""
    made, (y, x) = np.zeros((300, 300), np.int32), np.mgrid[:300, :300]
    for number, (cy, cx) in enumerate(PLACES, 1):
        made[np.hypot(y - cy, x - cx) <= 10 + number % 6] = number
    return made


def found_in(session: Any, item: Any, labels: np.ndarray) -> None:
    bare = measure(labels).table.set_index("particle")
    table = bare.assign(class_id=2)[["class", "class_id", "plane", "aggregate", "frame", "cut"]]
    found = Particles(labels, table, item.micrograph())
    commit(session, item, ResultState(None, found, named(measured(found), item)), "finding particles")


@pytest.fixture
def bench(viewer: Any, open_bench: Any, labels: np.ndarray, qtbot: Any) -> Any:
    viewer.add_image(np.where(labels > 0, 20, 200).astype(np.uint8), name="grid", scale=(0.5, 0.5), units=("nm", "nm"))
    made = open_bench(viewer)
    found_in(made.session, made.session.current, labels)
    made.go(3)
    qtbot.waitUntil(made.panel(3).result.export.isEnabled)
    return made


@pytest.fixture
def asked(bench: Any, qtbot: Any) -> Any:
    bench.panel(3).audit.click()
    dialog = bench.session.viewer.window._qt_window.findChild(AuditDialog)
    return dialog


def measure_by_clicks(dialog: Any, qtbot: Any, share: float = 1.0) -> None:
    """Two clicks of the mouse on the ends of the particle that is asked about."""
    particle = dialog.questions.current
    for side in (-0.5, 0.5):
        place = dialog.view.at(particle.y, particle.x + side * share * particle.ecd)
        qtbot.mouseClick(dialog.view, Qt.MouseButton.LeftButton, pos=place.toPoint())


def outlined(dialog: Any) -> bool:
    """Whether the colour of outlines is seen."""
    image = dialog.view.grab().toImage()
    return any(QColor(image.pixel(x, y)) == OUTLINED for x in range(0, image.width(), 2) for y in range(0, image.height(), 2))


def answer_all(dialog: Any, qtbot: Any, decide: Any = lambda number: "A", share: float = 1.0) -> None:
    n = len(dialog.sample.particles)
    while dialog.questions.current is not None:
        if dialog.questions.at < n:
            measure_by_clicks(dialog, qtbot, share)
            qtbot.keyClicks(dialog.view, decide(dialog.questions.at))
        else:
            qtbot.keyClicks(dialog.view, "n")


def kept() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((data_folder() / "audits").glob("*.json"))]


def test_an_outline_is_seen_only_after_the_particle_was_measured(asked: Any, qtbot: Any) -> None:
    assert asked.where.text() == "particle 1 of 36"
    assert not outlined(asked)
    qtbot.keyClicks(asked.view, "a")  # nothing is judged blind
    assert asked.questions.at == 0
    measure_by_clicks(asked, qtbot)
    assert outlined(asked)
    assert asked.questions.lengths[0] == pytest.approx(asked.sample.particles[0].ecd, rel=0.1)
    qtbot.keyClicks(asked.view, "a")
    assert asked.where.text() == "particle 2 of 36"
    assert not outlined(asked)
    qtbot.keyClicks(asked.view, "u")
    assert asked.where.text() == "particle 1 of 36"
    assert not asked.questions.decisions


def test_what_is_answered_corrects_the_result_and_enters_the_report(
    asked: Any, bench: Any, qtbot: Any, wait_jobs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.name.setText("Ada")
    answer_all(asked, qtbot, lambda number: "R" if number == 3 else "A", share=1.1)
    text = asked.outcome.text()
    assert "Audited by Ada" in text
    assert "36 particles (35 accepted, 1 no particle)" in text
    assert "D50 corrected by it" in text
    (file,) = kept()
    assert file["answers"]["auditor"] == "Ada"
    assert len(file["particles"][0]["content_hash"]) == 64
    asked.close()
    qtbot.waitUntil(lambda: "corrected by the audit" in bench.panel(3).result.sizes.text())
    monkeypatch.setattr(export, "ask_folder", lambda *_: str(tmp_path / "report"))
    bench.panel(3).result.report.click()
    wait_jobs(bench.session)
    summary = json.loads((tmp_path / "report" / "summary.json").read_text())
    assert summary["audit"]["auditor"] == "Ada"
    assert summary["audit"]["agreement"]["bias"] == pytest.approx(1 / 1.1 - 1, abs=0.03)


def test_it_goes_on_where_it_stopped_and_a_second_person_is_compared(asked: Any, bench: Any, qtbot: Any) -> None:
    asked.name.setText("Ada")
    for _ in range(3):
        measure_by_clicks(asked, qtbot)
        qtbot.keyClicks(asked.view, "a")
    pool = bench.panel(3).pool
    again = open_audit(bench.session, pool.items, pool.measurements)
    again.name.setText("Ada")
    again.name.editingFinished.emit()
    assert again.where.text() == "particle 4 of 36"
    answer_all(again, qtbot)
    second = open_audit(bench.session, pool.items, pool.measurements)
    second.name.setText("Grace")
    answer_all(second, qtbot, lambda number: "S" if number < 9 else "A")
    assert "Ada and Grace decided alike on 75 % of 36 particles." in second.outcome.text()


def test_an_audit_holds_for_a_new_result_of_the_same_picture(asked: Any, bench: Any, labels: np.ndarray, qtbot: Any) -> None:
    asked.name.setText("Ada")
    answer_all(asked, qtbot)
    session = bench.session
    said: list[str] = []
    session.said.connect(said.append)
    other = np.where(labels == 7, 0, labels)
    found_in(session, session.current, other)
    assert any("The audit was closed" in sentence for sentence in said)
    pool = bench.panel(3).pool
    qtbot.waitUntil(lambda: len(pool.measurements[0].table) == 35)
    again = open_audit(session, pool.items, [replace(pool.measurements[0], image="grid")])
    assert "35 particles (35 accepted)" in again.outcome.text()
    assert "1 judged particle is no more in this result" in again.outcome.text()


def test_there_is_nothing_to_audit_without_particles(bench: Any) -> None:
    with pytest.raises(TemsegError, match="find particles first"):
        open_audit(bench.session, [], [])


def test_enter_after_the_name_judges_nothing(asked: Any, qtbot: Any) -> None:
    at = asked.questions.at
    qtbot.keyClick(asked.name, Qt.Key.Key_Return)
    assert asked.questions.at == at
    assert not any(key.isDefault() or key.autoDefault() for key in asked.keys.values())
