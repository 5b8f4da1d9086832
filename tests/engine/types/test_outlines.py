"""Outlines of whole particles, against simulated overlaps whose whole outlines are known."""

from __future__ import annotations

import numpy as np

import napari_temseg as temseg
from napari_temseg.engine.types.outlines import whole_outlines


def enclosed(outline: np.ndarray) -> float:
    """The area inside a closed outline, by the shoelace formula."""
    y, x = outline.T
    return abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))) / 2


def test_outlines_of_covered_particles_are_those_of_the_whole_where_the_column_says_so() -> None:
    drawn = temseg.simulate(temseg.SimulateConfig(diameter=30.0, count=110, overlapping=0.5, touching=0.3, seed=4, shapes=("sphere",)))
    table = temseg.measure(drawn.instances).table
    truth = drawn.table.iloc[table["particle"].to_numpy() - 1]
    outlines = whole_outlines(drawn.instances)
    assert list(outlines) == table["particle"].tolist()
    whole = np.array([enclosed(outlines[number]) for number in table["particle"]]) / truth["area_px2"].to_numpy()
    seen = table["area_px2"].to_numpy() / truth["area_px2"].to_numpy()
    hidden = ~table["frame"].to_numpy(bool) & (table["visible_share"] < 0.97).to_numpy()
    assert hidden.sum() >= 5
    assert np.median(seen[hidden]) < 0.9
    assert abs(np.median(whole[hidden]) - 1) < 0.02
    width = table["ecd_whole_px"].to_numpy() / truth["ecd_px"].to_numpy()
    assert abs(np.median(width[hidden]) - 1) < 0.01


def test_an_outline_lies_between_pixels_and_encloses_them() -> None:
    y, x = np.indices((60, 70))
    disc = (np.hypot(y - 30.3, x - 40.6) < 12.4).astype(np.int32)
    outline = whole_outlines(disc)[1]
    np.testing.assert_allclose(outline.mean(0), (30.3, 40.6), atol=0.3)
    np.testing.assert_allclose(np.hypot(*(outline - (30.3, 40.6)).T), 12.4, atol=0.6)
    assert abs(enclosed(outline) / disc.sum() - 1) < 0.02


def test_what_the_frame_cuts_and_specks_and_a_label_in_two_pieces_have_outlines_of_what_is_there() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[:8, 10:20], labels[20, 20], labels[30:36, 5:15], labels[38, 38] = 1, 2, 5, 5
    outlines = whole_outlines(labels)
    assert sorted(outlines) == [1, 2, 5]
    assert enclosed(outlines[1]) < 80
    assert 0 < enclosed(outlines[2]) <= 1
    assert 45 < enclosed(outlines[5]) <= 60
    assert whole_outlines(np.zeros((5, 5), np.int32)) == {}


def test_particles_of_a_stack_have_their_outlines() -> None:
    classes = np.ones((2, 50, 50), np.uint8)
    classes[0, 10:24, 10:24], classes[1, 20:36, 20:36] = 2, 2
    parts = temseg.split(temseg.Prediction.of_classes(classes, temseg.Micrograph(100 * classes, "NYX")))
    assert len(parts) == 2
    assert {number: round(float(outline.mean())) for number, outline in parts.outlines.items()} == {1: 16, 2: 28}
