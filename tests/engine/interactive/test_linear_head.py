from __future__ import annotations

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.interactive import linear_head
from napari_temseg.engine.interactive.linear_head import answer, iter_ground
from napari_temseg.engine.types.config import PredictConfig, SimulateConfig


@pytest.fixture(scope="module")
def scene():
    drawn = temseg.simulate(SimulateConfig(height=200, width=232, count=10, diameter=34, contrast=0.6, seed=3))
    shares: list[float] = []
    looking = iter_ground(temseg.load("particles"), drawn.micrograph, PredictConfig(precision="float32"))
    ground = looking.drain(lambda step: shares.append(step.fraction))
    assert shares == sorted(shares), "while the size is looked for, and after it"
    assert shares[-1] == pytest.approx(1)
    return drawn, ground


def test_without_strokes_it_is_the_models_own_prediction(scene):
    drawn, ground = scene
    own = temseg.predict("particles", drawn.micrograph, PredictConfig(precision="float32"))
    unstroked = answer(ground, np.zeros((200, 232), np.uint8))
    assert np.array_equal(unstroked.classes, own.classes)
    assert unstroked.model_hash == own.model_hash


def test_stroked_pixels_get_their_class_and_its_particle_follows(scene):
    drawn, ground = scene
    number = max(range(1, int(drawn.instances.max()) + 1), key=lambda n: int((drawn.instances == n).sum()))
    particle = drawn.instances == number
    y, x = (int(v) for v in np.argwhere(particle).mean(axis=0))
    strokes = np.zeros((200, 232), np.uint8)
    strokes[y - 20 : y + 21, x] = 1  # take the particle away: a line along its middle
    gone = answer(ground, strokes)
    assert (gone.classes[strokes > 0] == 1).all()
    assert (gone.classes[particle] == 1).mean() > 0.5
    others = (drawn.instances > 0) & ~particle
    before = answer(ground, np.zeros_like(strokes)).classes
    assert (gone.classes[others] == before[others]).mean() > 0.7
    sums = gone.probability.astype(np.float32).sum(axis=0)
    assert np.allclose(sums, 1, atol=5e-3)
    assert (gone.auxiliary["distance"][gone.classes == 1][particle[gone.classes == 1]] >= 0).all()


def test_two_small_particles_taken_away_leave_the_others():
    """Particles that cover little of a picture are held to as much as its background is."""
    drawn = temseg.simulate(SimulateConfig(height=320, width=320, count=8, diameter=16, contrast=0.6, seed=3))
    said = PredictConfig(precision="float32", typical_size=16.0)
    ground = iter_ground(temseg.load("particles"), drawn.micrograph, said).drain()
    strokes, numbers = np.zeros((320, 320), np.uint8), np.unique(drawn.instances)[1:]
    for number in numbers[:2]:
        y, x = (int(v) for v in np.argwhere(drawn.instances == number).mean(axis=0))
        strokes[max(y - 3, 0) : y + 4, x] = 1
    left = temseg.split(answer(ground, strokes)).labels
    there = [(left[drawn.instances == number] > 0).mean() > 0.5 for number in numbers]
    assert there == [False, False, *(True for _ in numbers[2:])]


def test_right_strokes_change_almost_nothing(scene):
    drawn, ground = scene
    before = answer(ground, np.zeros((200, 232), np.uint8)).classes
    agreed = (before == 2) == (drawn.instances > 0)
    strokes = np.where(agreed & (np.arange(232) % 40 == 0), before, 0).astype(np.uint8)
    assert (answer(ground, strokes).classes == before).mean() > 0.98


def test_what_strokes_move_does_not_fall_to_pieces(scene):
    drawn, ground = scene
    strokes = np.zeros((200, 232), np.uint8)
    strokes[::25] = np.where(drawn.instances > 0, 2, 1)[::25]
    found = answer(ground, strokes)
    before, after = (len(temseg.split(each)) for each in (ground.prediction, found))
    assert abs(after - before) <= 3
    assert (found.auxiliary["distance"][found.classes == 1][strokes[found.classes == 1] > 0] == 0).all()
    eye = answer(ground, strokes, depth=False)
    assert np.array_equal(eye.classes, found.classes)
    assert eye.auxiliary["distance"] is ground.prediction.auxiliary["distance"]


def test_a_class_that_the_model_does_not_know(scene):
    _, ground = scene
    strokes = np.zeros((200, 232), np.uint8)
    strokes[100, 20:60] = 4
    found = answer(ground, strokes)
    assert found.class_ids == (1, 2, 3, 4)
    assert (found.classes[100, 20:60] == 4).all()
    assert set(found.class_names) == {1, 2, 3, 4}


def test_strokes_of_another_shape_are_refused(scene):
    with pytest.raises(temseg.TemsegError, match="shape"):
        answer(scene[1], np.ones((3, 3), np.uint8))


def test_a_stack_is_refused():
    stack = temseg.Micrograph(np.zeros((2, 64, 64), np.uint8), axes="NYX")
    with pytest.raises(temseg.TemsegError, match="one plane"):
        iter_ground(temseg.load("particles"), stack, PredictConfig())


def test_sides_that_are_no_multiple_of_a_cell_and_tiles():
    drawn = temseg.simulate(SimulateConfig(height=149, width=301, count=6, diameter=30, seed=5))
    ground = iter_ground(temseg.load("particles"), drawn.micrograph, PredictConfig(tile=128, overlap=64)).drain()
    strokes = np.zeros((149, 301), np.uint8)
    strokes[148, 300] = 2
    assert answer(ground, strokes).classes[148, 300] == 2


def test_a_large_plane_that_is_shown_enlarged_is_looked_at_piece_by_piece(monkeypatch):
    """Whole, 4096² at 5× took more memory than machines have, and no stroke was answered meanwhile."""
    drawn = temseg.simulate(SimulateConfig(height=300, width=332, count=40, diameter=11, contrast=0.6, seed=3))
    said, model = PredictConfig(precision="float32", typical_size=11.0), temseg.load("particles")
    shown, show = [], linear_head.Runner.shown
    monkeypatch.setattr(
        linear_head.Runner, "shown", lambda self, image, scale: (shown.append(image.shape[-2:]), show(self, image, scale))[1]
    )
    whole = iter_ground(model, drawn.micrograph, said).drain()
    at_once = shown.count((300, 332))
    shown.clear()
    monkeypatch.setattr(linear_head, "SHOWN_SIDE", 256)
    job = iter_ground(model, drawn.micrograph, said)
    fractions = [step.fraction for step in job]
    assert shown.count((300, 332)) == at_once - 1  # the others look for the size
    assert len(shown) - at_once + 1 == 9
    assert fractions == sorted(fractions)
    parts = job.result
    assert parts.features.shape == whole.features.shape
    assert parts.cells.prior.shape == whole.cells.prior.shape
    found, once = (each.prediction.classes > 1 for each in (parts, whole))
    assert (found & once).sum() > 0.97 * (found | once).sum()
    strokes = np.zeros(found.shape, np.uint8)
    number = drawn.instances[150, 160] or int(np.bincount(drawn.instances[drawn.instances > 0]).argmax())
    y, x = (int(v) for v in np.argwhere(drawn.instances == number).mean(axis=0))
    strokes[y - 3 : y + 4, x] = 1
    after = [answer(each, strokes).classes > 1 for each in (parts, whole)]
    assert (after[0] & after[1]).sum() > 0.95 * (after[0] | after[1]).sum()
