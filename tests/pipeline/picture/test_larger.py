"""Larger particles than were looked for: seen where they stand out as the others do, not where they are a support or a heap."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.cli.main import main
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.progress import PIXELS_SHOWN
from napari_temseg.engine.types.results import SizeCandidate
from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.pipeline.find import iter_find
from napari_temseg.pipeline.picture import course
from napari_temseg.pipeline.picture.larger import iter_larger

SMALL, LARGE, SIDE = 14.0, 80.0, 400
PLACES = ((110, 120), (290, 300))
TOLD = temseg.PredictConfig(typical_size=SMALL, exact_size=True)


def picture(strength: float, *, on_top: bool = False, valid: np.ndarray | None = None) -> temseg.Micrograph:
    """Small bright discs among two large ones of so much of their contrast; `on_top`: on these too."""
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.full((SIDE, SIDE), 60.0)
    for place in PLACES:
        image += strength * 90 * np.clip(LARGE / 2 - np.hypot(y - place[0], x - place[1]) + 0.5, 0, 1)
    step = 22 if on_top else 44
    for b in range(20, SIDE, step):
        for a in range(20, SIDE, step):
            if on_top or min(np.hypot(b - p[0], a - p[1]) for p in PLACES) > LARGE / 2 + SMALL:
                image += 90 * np.clip(SMALL / 2 - np.hypot(y - b, x - a) + 0.5, 0, 1)
    return temseg.Micrograph(np.clip(image + np.random.default_rng(0).normal(0, 5, image.shape), 0, 255).astype(np.uint8), valid=valid)


def larger(model: Any, plane: temseg.Micrograph, config: temseg.PredictConfig = TOLD) -> SizeCandidate | None:
    return iter_larger(model, temseg.split(temseg.predict(model, plane, config)), config).drain()


def test_what_stands_out_as_the_others_do_is_counted_with_its_size(particles: Any) -> None:
    seen = larger(particles, picture(1.3))
    assert seen is not None
    assert seen.count == 2
    assert seen.size == pytest.approx(LARGE, rel=0.1)
    half = np.ones((SIDE, SIDE), bool)
    half[220:] = False
    assert getattr(larger(particles, picture(1.3, valid=half)), "count", 0) == 1  # of what is left out nothing is told


@pytest.mark.parametrize(("strength", "on_top"), [(0.3, False), (-0.6, False), (0.5, True)])
def test_what_is_fainter_or_of_the_other_polarity_or_carries_particles_is_not(particles: Any, strength: float, on_top: bool) -> None:
    assert larger(particles, picture(strength, on_top=on_top)) is None


def test_who_asked_for_both_sizes_or_is_asked_which_is_told_nothing(particles: Any) -> None:
    plane = picture(1.3)
    two = replace(TOLD, other_size=LARGE)
    assert larger(particles, plane, two) is None
    found = temseg.split(temseg.predict(particles, plane, TOLD))
    asking = replace(found.prediction, candidates=(SizeCandidate(SMALL, 30), SizeCandidate(LARGE, 2)))
    assert iter_larger(particles, replace(found, prediction=asking), TOLD).drain() is None


def test_a_search_in_the_window_tells_of_them_in_the_middle_plane_of_a_stack(particles: Any) -> None:
    stack = temseg.Micrograph(np.stack([picture(each).data for each in (0.0, 1.3, 0.0)]), "NYX")
    (found,) = iter_find(particles, [stack], TOLD).drain()
    assert found.prediction.larger is not None
    assert found.prediction.larger.count == 2
    assert found.particles.prediction.larger == found.prediction.larger


def test_a_run_says_it_as_the_window_does_and_finds_no_fault_with_what_it_found(
    particles: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plane = picture(1.3)
    write_tiff(tmp_path / "two.tif", plane.plane(0), Calibration((0.5, 0.5)))
    assert main(["run", str(tmp_path / "two.tif"), "-o", str(tmp_path / "out"), "--typical-size", "14 px", "--exact-size"]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    seen = summary["images"][0]["larger_not_looked_for"]
    assert seen["particles"] == 2
    assert seen["size_px"] == pytest.approx(LARGE, rel=0.1)
    told = f"two: 2 larger particles of about {seen['size_px'] / 2:.3g} nm: as clear as the others, but they were not looked for."
    said = [caution for caution in summary["cautions"] if caution.startswith(told)]
    assert said == [f"{told} Look for both as one powder with --typical-size “7 nm, {seen['size_px'] / 2:.3g} nm” --as-one."]
    assert said[0] in capsys.readouterr().out
    assert said[0] in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert not any("larger particles" in why for why in summary["distributions"]["nm"]["why_not"])


def test_what_comes_after_the_last_look_is_part_of_the_progress(particles: Any) -> None:
    steps = list(iter_find(particles, [picture(1.3)], TOLD))
    shares = [step.fraction for step in steps]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    looks = [step for step in steps if PIXELS_SHOWN in step.metrics and "larger" not in step.message]
    shown, plane = looks[-1].metrics[PIXELS_SHOWN], SIDE**2
    after = (course.SPLITTING_TAKES + course.LARGER_TAKES + course.MEASURING_TAKES) * plane
    assert looks[-1].fraction == pytest.approx((shown + course.SPLITTING_TAKES * plane) / (shown + after))
