"""Training: frozen means frozen, never worse than the start, and every way out of it."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_temseg import (
    Annotations,
    Calibration,
    Cancelled,
    Micrograph,
    PredictConfig,
    Prediction,
    Segmenter,
    Source,
    TemsegError,
    TrainConfig,
    iter_train,
    predict,
    simulate,
    train,
)
from napari_temseg.engine.model.network import build_network
from napari_temseg.engine.model.network_spec import NetworkSpec
from napari_temseg.engine.training import learner, loop, preview, selection, starting_model
from napari_temseg.engine.training.preview import Previews
from napari_temseg.engine.types.config import SimulateConfig
from napari_temseg.engine.types.progress import Control

QUICK = TrainConfig(max_seconds=1e5, max_steps=3, crop=64, batch=2, evaluate_every=1, validation=0, device="cpu", precision="float32")
JUDGED = replace(QUICK, validation=0.2, max_steps=4)


@pytest.fixture(scope="module")
def strokes():
    """Two strokes on a picture of 96 px: too few for a validation part."""
    labels = np.zeros((96, 96), np.uint8)
    labels[20:24, 20:60], labels[70:74, 20:60] = 1, 2
    return np.random.default_rng(0).normal(size=(96, 96)).astype(np.float32), labels


@pytest.fixture(scope="module")
def dense(discs):
    return discs(128, 160)


def unlike(model: Segmenter, expected: dict[str, torch.Tensor], part: str) -> list[str]:
    return [name for name, tensor in model.tensors().items() if name.startswith(part) and not torch.equal(tensor, expected[name])]


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "efficientnet-b0"])
def test_frozen_means_frozen(encoder, strokes):
    spec = NetworkSpec(encoder, (32, 16, 16, 8, 8), auxiliary=("distance",))
    base = Segmenter.new(spec, {1: "background", 2: "particle"})
    before = {name: tensor.clone() for name, tensor in base.tensors().items()}
    model = train(*strokes, base=base, config=QUICK)
    assert any(name.endswith("running_mean") for name in before if name.startswith("encoder."))
    assert unlike(model, before, "encoder.") == []
    assert len(unlike(model, before, "decoder.")) > 10
    assert unlike(base, before, "") == []  # and the base is nobody's to change
    assert model.history[-1]["steps"] == model.history[-1]["best_step"] == 3


def test_the_shipped_encoder_is_frozen_too_and_with_a_validation_part(particles, dense):
    before = particles.tensors()
    config = replace(JUDGED, scaling=0, evaluate_every=2)
    model = train(*dense, base=particles, config=config, meaning="instances")
    assert unlike(model, before, "encoder.") == []
    assert model.name == ("particles" if model.history[-1]["best_step"] == 0 else "particles+")


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "efficientnet-b0"])
def test_encoder_weights_of_a_file_stay_what_they_were(encoder, strokes, tmp_path):
    import segmentation_models_pytorch as smp

    with torch.random.fork_rng(devices=[]):
        source = smp.encoders.get_encoder(encoder, in_channels=3, weights=None)
    save_file(source.state_dict(), tmp_path / "encoder.safetensors")
    config = replace(QUICK, encoder=encoder, encoder_weights=str(tmp_path / "encoder.safetensors"))
    model = train(*strokes, base=None, config=config)
    with torch.random.fork_rng(devices=[]):
        network = build_network(NetworkSpec(encoder), config.encoder_weights)
    expected = {f"encoder.{name}": tensor for name, tensor in network.encoder.state_dict().items()}
    assert unlike(model, expected, "encoder.") == []
    assert model.history[-1]["notes"] == []
    decoder = [name for name in model.tensors() if name.startswith("decoder.") and name.endswith("running_mean")]
    assert decoder
    assert all(bool(model.tensors()[name].any()) for name in decoder)  # a new decoder's own statistics do learn


def test_unfreezing_moves_the_encoder_but_not_its_statistics(tiny, strokes):
    model = train(*strokes, base=tiny, config=replace(QUICK, unfreeze=True, max_steps=4))
    moved = unlike(model, tiny.tensors(), "encoder.")
    assert any(name.endswith("weight") for name in moved)
    assert not any("running" in name for name in moved)
    assert unlike(train(*strokes, base=tiny, config=replace(QUICK, unfreeze=True, max_steps=1)), tiny.tensors(), "encoder.") == []


def test_for_another_task_the_statistics_of_the_encoder_move_once_it_is_unfrozen(particles, dense):
    config = replace(QUICK, encoder_weights="particles", max_steps=4)
    frozen, free = (train(*dense, base="none", config=replace(config, unfreeze=free), meaning="instances") for free in (False, True))
    assert unlike(frozen, particles.tensors(), "encoder.") == []
    assert any("running" in name for name in unlike(free, particles.tensors(), "encoder."))


def test_random_weights_are_not_frozen_and_it_says_so(strokes):
    config = replace(QUICK, max_steps=2)
    model = train(*strokes, base="none", config=config)
    untrained = Segmenter.new(model.spec, model.classes, seed=config.seed)
    assert any("running_mean" in name for name in unlike(model, untrained.tensors(), "encoder."))
    assert any("random weights, so it is trained too" in note for note in model.history[-1]["notes"])


@pytest.fixture
def kept_decoder(monkeypatch):
    """An untrained model learns on, though it is of no use for the labels."""
    monkeypatch.setattr(loop, "USELESS_IOU", -1.0)


def judged(model: Segmenter) -> list[float]:
    return [point["validation_iou"] for point in model.history[-1]["curve"]]


def test_a_ruinous_rate_gives_back_the_starting_model(particles, dense):
    model = train(*dense, base=particles, config=replace(JUDGED, learning_rate=1.0, hold=0), meaning="instances")
    assert unlike(model, particles.tensors(), "") == []
    assert model.history[-1]["best_step"] == 0
    assert model.content_hash() == particles.content_hash()


@pytest.mark.parametrize("rate", [1e-3, 5e-2])
def test_the_best_is_never_below_the_untouched_model(tiny, dense, rate, kept_decoder):
    model = train(*dense, base=tiny, config=replace(JUDGED, learning_rate=rate, max_steps=6), meaning="instances")
    record = model.history[-1]
    best = next(point for point in record["curve"] if point["step"] == record["best_step"])
    assert best["validation_iou"] >= judged(model)[0]
    assert best["validation_iou"] > max(judged(model)) - selection.MATERIAL_IOU - 1e-4
    # trained again with nothing to learn from, its own first judgement is the best one noted before, or half way back hardly less
    again = train(*dense, base=model, config=replace(JUDGED, max_steps=1), meaning="instances")
    went_back = any("half way" in note for note in record["notes"])
    noted = best["validation_iou"]
    assert judged(again)[0] >= noted - selection.TOLERATED_IOU if went_back else judged(again)[0] == pytest.approx(noted, abs=1e-6)
    assert judged(again)[0] >= judged(model)[0] - 1e-6


def ground(particles, dense):
    """Every pixel labelled, and what the model takes for background is the class wanted."""
    image, instances = dense
    return image, np.where(instances > 0, 1, 2).astype(np.uint8)


def test_a_model_of_no_use_for_whole_labels_gives_its_encoder_only(particles, dense, monkeypatch):
    image, labels = ground(particles, dense)
    monkeypatch.setattr(loop, "USELESS_IOU", 0.9)
    config = replace(JUDGED, max_steps=20, evaluate_every=5, batch=4, learning_rate=1e-2)
    model = train(image, labels, base=particles, config=config)
    record = model.history[-1]
    assert any("its decoder began anew" in note for note in record["notes"])
    assert judged(model)[0] < 0.9
    assert max(judged(model)) > judged(model)[0] + 0.05
    assert unlike(model, particles.tensors(), "encoder.") == []
    assert (predict(model, image).classes == labels).mean() > 0.8
    labels[60, 60] = 0  # one pixel that nobody labelled is one that it is held on
    held = train(image, labels, base=particles, config=replace(config, max_steps=1))
    assert not any("anew" in note for note in held.history[-1]["notes"])


def test_strokes_that_tell_nothing_new_leave_the_model_as_it_was(particles):
    drawn = simulate(SimulateConfig(height=256, width=256, count=12, diameter=34, contrast=0.6, seed=5))
    said = predict(particles, drawn.micrograph).classes
    right = (said == 2) == (drawn.instances > 0)
    strokes = np.where(right & (np.arange(256) % 16 == 0), said, 0).astype(np.uint8)
    model = train([drawn.micrograph], [strokes], base=particles, config=replace(JUDGED, max_steps=6, learning_rate=2e-3))
    assert model.history[-1]["best_step"] == 0
    assert model.content_hash() == particles.content_hash()


def test_going_half_way_back_gives_up_little(tiny, dense):
    config = replace(JUDGED, max_steps=20, evaluate_every=20, learning_rate=1e-2)
    model = train(*dense, base=tiny, config=config, meaning="instances")
    session_judged = judged(model)
    again = train(*dense, base=model, config=replace(JUDGED, max_steps=1), meaning="instances")
    assert judged(again)[0] >= max(session_judged) - selection.TOLERATED_IOU


def test_it_learns(tiny, dense):
    config = replace(JUDGED, max_steps=60, evaluate_every=20, batch=4, learning_rate=1e-2, flips=False, elastic=0, scaling=0)
    model = train(*dense, base=tiny, config=config, meaning="instances")
    assert max(judged(model)) > judged(model)[0] + 0.2
    curve = model.history[-1]["curve"]
    assert curve[-1]["train_loss"] < curve[1]["train_loss"]
    figures = {f"{part}_{name}" for part in ("train", "validation") for name in ("loss", "accuracy", "iou")}
    assert all(figures < set(point) for point in curve)


def test_the_last_steps_are_judged_too(tiny, dense):
    model = train(*dense, base=tiny, config=replace(JUDGED, max_steps=3, evaluate_every=50), meaning="instances")
    assert [point["step"] for point in model.history[-1]["curve"]] == [0, 3]


def test_torchs_compiler_is_not_loaded(tiny, strokes, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)  # importing it fails now
    assert train(*strokes, base=tiny, config=QUICK).history[-1]["steps"] == 3


def test_the_same_seed_gives_the_same_model(tiny, strokes):
    one, two, other = (train(*strokes, base=tiny, config=replace(QUICK, seed=seed)) for seed in (3, 3, 4))
    assert unlike(one, two.tensors(), "") == []
    assert unlike(one, other.tensors(), "decoder.")


def test_finish_keeps_the_best_and_cancel_leaves_nothing(tiny, dense):
    config = replace(JUDGED, max_steps=1000)
    job = iter_train(*dense, base=tiny, config=config, meaning="instances")
    for progress in job:
        if progress.metrics.get("now", 0) >= 2:
            job.finish()
    record = job.result.history[-1]
    assert record["steps"] == 2
    assert record["best_step"] <= 2

    cancelled = iter_train(*dense, base=tiny, config=config, meaning="instances")
    assert next(cancelled).stage == "prepare"
    cancelled.cancel()
    with pytest.raises(Cancelled):
        cancelled.drain()


def test_finishing_before_the_first_step_is_the_starting_model(tiny, strokes):
    job = iter_train(*strokes, base=tiny, config=QUICK)
    next(job)
    job.finish()
    assert job.drain().content_hash() == tiny.content_hash()


def test_the_time_budget_ends_it(tiny, strokes, slow_steps):
    job = iter_train(*strokes, base=tiny, config=replace(QUICK, max_steps=10_000, max_seconds=12))
    slow_steps(job)
    assert job.drain().history[-1]["steps"] == 12


@pytest.mark.parametrize(("ready", "steps"), [(0.0, 20), (9.0, 11), (15.0, 8), (60.0, 8)])
def test_making_ready_is_paid_from_the_budget_and_a_few_steps_are_taken_whatever_it_took(tiny, strokes, monkeypatch, ready, steps):
    clock, step = [0.0], learner.Learner.step

    def counted(own, *how):
        clock[0] += 1
        step(own, *how)

    monkeypatch.setattr(learner.Learner, "step", counted)
    job = iter_train(*strokes, base=tiny, config=replace(QUICK, max_steps=10_000, max_seconds=20))
    job.control.go_by(lambda: clock[0])
    for progress in job:
        if progress.stage == "prepare" and not clock[0]:
            clock[0] += ready
    record = job.result.history[-1]
    assert record["steps"] == steps
    assert any(f"making ready took {ready:.0f} s, 20 s are allowed in all" in note for note in record["notes"]) == (ready >= 10)


def test_how_long_would_have_done_is_told_and_true(tiny, strokes, slow_steps):
    config = replace(QUICK, max_steps=40, max_seconds=10)
    job = iter_train(*strokes, base=tiny, config=config)
    slow_steps(job)
    short = job.drain().history[-1]
    told = next(note for note in short["notes"] if note.startswith("the time sufficed"))
    job = iter_train(*strokes, base=tiny, config=replace(config, max_seconds=float(told.split("about ")[1].split(" s ")[0])))
    slow_steps(job)
    enough = job.drain().history[-1]
    assert short["steps"] < 24
    assert enough["steps"] == 40
    assert not any(note.startswith("the time sufficed") for note in enough["notes"])


@pytest.mark.parametrize(("most", "asked"), [(26, 3), (1e5, 4)])
def test_when_two_fifths_of_the_time_are_over_no_further_picture_is_asked_about(tiny, strokes, most, asked):
    clock, (image, labels) = [0.0], strokes
    pictures = [image + shift for shift in range(4)]
    job = iter_train(pictures[:3], [labels] * 3, base=tiny, config=replace(QUICK, max_seconds=most), unlabelled=pictures[3:])
    job.control.go_by(lambda: clock[0])
    told = set()
    for progress in job:
        clock[0] += 2 * (progress.stage == "prepare")
        told.add(progress.message)
    assert [number for number in range(1, 5) if any(f"picture {number} of 4" in message for message in told)] == list(range(1, asked + 1))
    record = job.result.history[-1]
    assert record["labels"]["particle"]["pixels"] == 3 * (labels == 2).sum()  # strokes are learnt all the same
    assert record["steps"] == QUICK.max_steps


def test_of_a_picture_that_takes_too_long_a_part_is_asked_about_and_all_strokes_are_learnt(tiny, strokes):
    clock, (image, labels) = [0.0], (np.tile(each, (4, 4)) for each in strokes)
    labels[300:], labels[200:210, 100:200] = 0, 2  # where most is labelled
    job = iter_train(image, labels, base=replace(tiny, scales=(0.5, 1.0)), config=replace(QUICK, max_seconds=20))
    job.control.go_by(lambda: clock[0])
    for progress in job:
        clock[0] += 11 * (progress.stage == "prepare")
    record = job.result.history[-1]
    assert record["labels"]["particle"]["pixels"] == (labels == 2).sum()
    assert record["steps"] == QUICK.max_steps


def test_the_checks_at_the_end_are_told_and_what_the_time_did_not_suffice_for_too(tiny, strokes):
    clock, (image, labels) = [0.0], strokes
    job = iter_train([image] * 3, [labels] * 3, base=tiny, config=replace(QUICK, max_seconds=20))
    job.control.go_by(lambda: clock[0])
    checking = []
    for progress in job:
        clock[0] += 30 * (progress.stage == "check" and not checking)  # as on a machine that is busy all of a sudden
        checking += [progress] * (progress.stage == "check")
    assert all("checking the result" in progress.message for progress in checking)
    assert all(progress.fraction < 1 for progress in checking)  # or no time would be left
    notes = job.result.history[-1]["notes"]
    assert "the time did not suffice to try the new model on 3 of the images: look before you use it there" in notes


def test_of_a_large_picture_only_the_part_round_its_labels_is_asked_about(tiny, strokes, monkeypatch):
    seen = []

    class Noting(starting_model.Runner):
        def plane(self, image, known=None):
            seen.append(image.shape)
            return super().plane(image, known)

    monkeypatch.setattr(starting_model, "Runner", Noting)
    image, labels = (np.zeros((2100, 2100), each.dtype) for each in strokes)
    image[1000:1096, 900:996], labels[1000:1096, 900:996] = strokes
    train(image, labels, base=tiny, config=QUICK)
    assert seen == [(54 + 2 * QUICK.crop, 40 + 2 * QUICK.crop)]


def test_epochs_end_it(tiny, strokes):
    def steps(**settings):
        return train(*strokes, base=tiny, config=replace(QUICK, max_steps=20, batch=1, **settings)).history[-1]["steps"]

    assert steps(epochs=1) == 3  # 96 px squared is two and a quarter crops of 64
    assert steps(epochs=2) == 6
    assert steps(epochs=1000, max_seconds=1e5) == 20


def test_when_patience_ends_the_rate_falls_and_training_stops(particles, dense, monkeypatch):
    rates, step = [], learner.Learner.step

    def told(self, rate, metrics):
        rates.append(rate)
        step(self, rate, metrics)

    monkeypatch.setattr(learner.Learner, "step", told)
    config = replace(JUDGED, max_steps=500, patience=2, learning_rate=1.0, hold=0)
    record = train(*dense, base=particles, config=config, meaning="instances").history[-1]
    assert record["best_step"] == 0  # such a rate only spoils
    assert record["steps"] == len(rates) == 12
    assert rates[:2] == sorted(rates[:2])  # the rise at the beginning
    calm = rates[5:]
    assert calm == sorted(calm, reverse=True)
    assert calm[-1] < 0.1 * calm[0]
    assert any("from step 2 on" in note for note in record["notes"])


def test_few_labels_are_trained_on_by_a_fixed_schedule_without_a_validation_curve(tiny, strokes):
    job = iter_train(*strokes, base=tiny, config=replace(JUDGED, max_steps=2))
    messages = [progress.message for progress in job]
    record = job.result.history[-1]
    assert any(
        "none of the labels kept back to try the model on: fewer than two separate regions of a class" in message for message in messages
    )
    assert "none of the labels kept back" in record["validation"]
    assert not any(name.startswith("validation") for point in record["curve"] for name in point)
    assert record["best_step"] == record["steps"] == 2


def short_of_memory(monkeypatch, times: int) -> list[int]:
    real, batches = learner.forward, []

    def forward(network, x, *, frozen):
        batches.append(len(x))
        if len(batches) <= times:
            raise torch.OutOfMemoryError("out of memory")
        return real(network, x, frozen=frozen)

    monkeypatch.setattr(learner, "forward", forward)  # memory cannot be made to run out
    return batches


def test_out_of_memory_halves_the_batch_and_says_so(tiny, strokes, monkeypatch):
    batches = short_of_memory(monkeypatch, 2)
    job = iter_train(*strokes, base=tiny, config=replace(QUICK, batch=4))
    messages = [progress.message for progress in job]
    assert batches == [4, 2, 1, 1, 1]
    note = "memory did not suffice: batch halved to "
    assert [note + "2" in messages, note + "1" in messages] == [True, True]
    *told, contradicted = job.result.history[-1]["notes"]
    assert told == [note + "2", note + "1"]
    assert "contradicts your labels" in contradicted  # three steps on noise


def test_memory_for_not_even_one_crop(tiny, strokes, monkeypatch):
    short_of_memory(monkeypatch, 10**9)
    with pytest.raises(TemsegError, match="does not suffice for one crop of 64 px; choose a smaller crop"):
        train(*strokes, base=tiny, config=QUICK)


def test_other_errors_are_not_taken_for_it(tiny, strokes, monkeypatch):
    def broken(network, x, *, frozen):
        raise RuntimeError("something else")

    monkeypatch.setattr(learner, "forward", broken)
    with pytest.raises(RuntimeError, match="something else"):
        train(*strokes, base=tiny, config=QUICK)


def test_a_new_class_joins_without_moving_the_old_ones(tiny, strokes):
    image, labels = strokes
    labels = labels.copy()
    labels[45:49, 20:60] = 3
    config = replace(QUICK, max_steps=1, learning_rate=1e-6)
    model = train(image, labels, base=tiny, config=config, meaning="classes", class_names={3: "rod"})
    assert model.classes == {1: "background", 2: "particle", 3: "rod"}
    before, after = predict(tiny, image).probability, predict(model, image).probability
    assert after.shape[0] == 3
    assert np.abs(before[0].astype(float) - after[0]).max() < 0.1
    assert model.history[-1]["labels"]["rod"] == {"pixels": 160, "objects": 1}


def test_names_of_the_base_stay_unless_new_ones_are_given(tiny, strokes):
    base = replace(tiny, classes={1: "background", 2: "mitochondrion"})
    config = replace(QUICK, max_steps=1)
    assert train(*strokes, base=base, config=config).classes[2] == "mitochondrion"
    assert train(*strokes, base=base, config=config, class_names={2: "vesicle"}).classes[2] == "vesicle"


def test_a_model_without_maps_trains_too(strokes):
    base = Segmenter.new(NetworkSpec(decoder_channels=(32, 16, 16, 8, 8)), {1: "background", 2: "particle"})
    model = train(*strokes, base=base, config=QUICK)
    assert unlike(model, base.tensors(), "segmentation_head.")
    assert predict(model, strokes[0]).auxiliary == {}


def test_labels_one_cannot_train_on(tiny):
    image, labels = np.eye(64), np.zeros((64, 64), np.uint8)
    with pytest.raises(TemsegError, match="Nothing is labelled"):
        iter_train(image, labels, base=tiny, config=QUICK)
    labels[:5] = 2
    with pytest.raises(TemsegError, match="Only one class is labelled"):
        train(image, labels, base=tiny, config=QUICK)
    with pytest.raises(TemsegError, match="do not pair up"):
        train([image, image], [labels], base=tiny, config=QUICK)
    with pytest.raises(TemsegError, match="1 images and 0 label arrays"):
        train(image, base=tiny, config=QUICK)


@pytest.mark.parametrize("loss", ["focal", "dice", "cross-entropy+dice", "focal+dice"])
def test_every_loss_trains(loss, tiny, strokes):
    model = train(*strokes, base=tiny, config=replace(QUICK, loss=loss, max_steps=1))
    assert math.isfinite(model.history[-1]["curve"][-1]["train_loss"])
    assert model.history[-1]["config"]["loss"] == loss


def test_several_micrographs_of_different_sizes_in_mixed_precision(tiny, discs, strokes):
    small, large = discs(70, 90), discs(150, 130)
    labels = Annotations.collect([small[0], large[0].astype(np.uint8)], [small[1], large[1]], "instances")
    model = train(labels=labels, base=tiny, config=replace(JUDGED, precision="auto", max_steps=1))
    assert "strip of" in model.history[-1]["validation"]
    assert all(tensor.isfinite().all() for tensor in model.tensors().values())


def test_holding_on_keeps_the_unlabelled_pixels_closer_to_the_start(particles, dense):
    image = dense[0]
    labels = np.zeros(image.shape, np.uint8)
    labels[64:68, 20:60], labels[0:4, 0:40] = 1, 2  # a mistaken stroke on the ground among them
    before = predict(particles, image).probability[1].astype(float)
    moved = []
    for hold in (0.0, 3.0):
        model = train(image, labels, base=particles, config=replace(QUICK, hold=hold, max_steps=8, learning_rate=1e-2))
        moved.append(np.abs(predict(model, image).probability[1].astype(float) - before)[labels == 0].mean())
    assert moved[1] < 0.75 * moved[0]


def test_an_encoder_is_unfrozen_before_patience_ends_the_training(tiny, dense):
    config = replace(JUDGED, max_steps=400, patience=1, unfreeze=True, learning_rate=0.5)  # a rate that only spoils
    record = train(*dense, base=tiny, config=config, meaning="instances").history[-1]
    unfrozen = [int(note.split()[-1]) for note in record["notes"] if note.startswith("encoder unfrozen")]
    assert len(unfrozen) == 1
    assert unfrozen[0] < record["steps"] < 200


def test_the_encoder_of_the_shipped_model_starts_a_new_one(particles, strokes):
    config = replace(QUICK, encoder_weights="particles", max_steps=1)
    model = train(*strokes, base="none", config=config)
    assert unlike(model, particles.tensors(), "encoder.") == []
    assert unlike(model, particles.tensors(), "decoder.") != []
    assert model.history[-1]["config"]["encoder_weights"] == "particles.temseg"


def test_strokes_teach_no_depth_and_whole_masks_do(tiny, strokes, dense):
    assert tiny.depth_taught
    assert train(*strokes, base=tiny, config=QUICK).depth_taught  # what it knew it still knows
    by_strokes = train(*strokes, base="none", config=QUICK)
    assert not by_strokes.depth_taught
    assert not predict(by_strokes, strokes[0]).depth_taught
    assert not train(*strokes, base=by_strokes, config=QUICK).depth_taught
    assert train(*dense, base=by_strokes, config=QUICK, meaning="instances").depth_taught


def shown(job) -> list[Prediction]:
    """The previews of a job that is run to its end."""
    return [progress.preview for progress in job if progress.preview is not None]


def same(one, two) -> bool:
    return np.array_equal(one.probability, two.probability) and np.array_equal(one.auxiliary["distance"], two.auxiliary["distance"])


FREE = replace(QUICK, encoder="efficientnet-b0", max_steps=2)  # whose drop-path draws from torch's own generator


@pytest.mark.parametrize(
    ("labels", "meaning", "base", "config"),
    [("dense", "instances", "tiny", JUDGED), ("strokes", "classes", "tiny", QUICK), ("strokes", "classes", None, FREE)],
)
def test_being_looked_at_changes_nothing(labels, meaning, base, config, request):
    images, base = request.getfixturevalue(labels), base and request.getfixturevalue(base)
    looked = iter_train(*images, base=base, config=config, meaning=meaning, look=lambda: Micrograph(images[0]))
    assert len(shown(looked)) >= 2
    unseen = train(*images, base=base, config=config, meaning=meaning)
    assert unlike(looked.result, unseen.tensors(), "") == []
    assert looked.result.history[-1]["curve"][1:] == unseen.history[-1]["curve"][1:]  # the first has figures that are not numbers


def test_previews_go_from_the_start_to_the_best(tiny, dense, kept_decoder):
    elsewhere = Micrograph(np.random.default_rng(5).normal(size=(70, 80)), source=Source("grid_07.tif"))
    image = Micrograph(dense[0], calibration=Calibration((0.5, 0.5), "typed"))  # else it would go on finding its scale, once trained
    config = replace(JUDGED, learning_rate=1e-2)
    job = iter_train(image, dense[1], base=tiny, config=config, meaning="instances", look=lambda: elsewhere)
    previews = shown(job)
    exact = PredictConfig(device="cpu", precision="float32")
    assert job.result.history[-1]["best_step"] > 0
    assert same(previews[0], predict(tiny, elsewhere, exact))
    assert same(previews[-1], predict(job.result, elsewhere, exact))
    assert not same(previews[0], previews[-1])
    assert all(preview.micrograph is elsewhere for preview in previews)
    assert previews[-1].model_hash == job.result.content_hash()


def test_the_last_preview_is_of_the_best_not_of_the_newest(particles, dense):
    config = replace(JUDGED, learning_rate=1.0, hold=0)  # a rate that only spoils
    job = iter_train(*dense, base=particles, config=config, meaning="instances", look=lambda: Micrograph(dense[0]))
    previews = shown(job)
    assert job.result.history[-1]["best_step"] == 0
    assert len(previews) == 2
    assert same(previews[0], previews[1])
    assert previews[1].depth_taught == particles.depth_taught


def test_previews_of_strokes_alone_do_not_trust_the_depth(strokes):
    previews = shown(iter_train(*strokes, base="none", config=QUICK, look=lambda: Micrograph(strokes[0])))
    assert [preview.depth_taught for preview in previews] == [True, False]


def test_without_a_validation_part_every_tenth_step_is_shown(tiny, strokes, monkeypatch):
    monkeypatch.setattr(preview, "PREVIEW_REST", 0.0)
    config = replace(QUICK, max_steps=25, batch=1)
    job = iter_train(*strokes, base=tiny, config=config, look=lambda: Micrograph(strokes[0][:32, :32]))
    assert [progress.metrics["now"] for progress in job if progress.preview is not None] == [0, 10, 20, 25]


def test_previews_rest_four_times_what_they_cost(tiny, strokes):
    asked, now = [], [0.0]

    def look():
        asked.append(now[0])
        now[0] += 2.0  # s that a preview takes
        return Micrograph(strokes[0])

    previews = Previews(look, PredictConfig(device="cpu", precision="float32"), Control(lambda: now[0]))
    for seconds in range(30):
        now[0] = max(now[0], seconds)
        list(previews.show(tiny))
    assert asked == [0, 10, 20]
    list(previews.show(tiny, at_once=True))
    assert asked[3:] == [29]


@pytest.mark.parametrize(
    ("plane", "words"),
    [
        (None, ""),
        (Micrograph(np.full((64, 64), np.nan), sample="grid_07"), "no preview: grid_07: no pixel holds a finite number"),
        (Micrograph(np.zeros((2, 64, 64)), "NYX", sample="grid_08"), "no preview: grid_08: a preview shows one plane"),
    ],
)
def test_what_cannot_be_shown_does_not_stop_training(tiny, strokes, plane, words):
    job = iter_train(*strokes, base=tiny, config=QUICK, look=lambda: plane)
    seen = list(job)
    assert all(progress.preview is None for progress in seen)
    assert any(words in progress.message for progress in seen)
    assert any("no preview" in progress.message for progress in seen) == bool(words)
    assert job.result.history[-1]["steps"] == 3


def in_the_preview(tiny, strokes):
    """A job that has just begun to predict its first preview, which takes two tiles."""
    asked = []
    slow = replace(tiny, scales=(0.5, 1.0))
    job = iter_train(*strokes, base=slow, config=QUICK, look=lambda: asked.append(True) or Micrograph(strokes[0]))
    while not asked:
        next(job)
    return job


def test_finishing_and_cancelling_act_within_a_preview(tiny, strokes):
    job = in_the_preview(tiny, strokes)
    job.finish()
    assert shown(job) == []
    assert job.result.history[-1]["steps"] == 0
    job = in_the_preview(tiny, strokes)
    job.cancel()
    assert list(job) == []
    with pytest.raises(Cancelled):
        _ = job.result


def test_finishing_and_cancelling_act_while_it_prepares(tiny, strokes):
    slow = replace(tiny, scales=(0.5, 1.0))
    preparing = [progress.stage for progress in iter_train(*strokes, base=slow, config=QUICK)].count("prepare")
    assert preparing >= 5  # the labels, between two scales once to choose and once to predict, the plane done, the facts
    job = iter_train(*strokes, base=slow, config=QUICK)
    next(job)
    next(job)
    job.finish()
    assert [progress.stage for progress in job] == ["prepare", "check", "check"]
    assert job.result.content_hash() == slow.content_hash()
    job = iter_train(*strokes, base=slow, config=QUICK)
    next(job)
    next(job)
    job.cancel()
    assert list(job) == []


@pytest.mark.parametrize("validation", [0.2, 0])
def test_the_curves_can_be_followed_point_by_point(tiny, dense, validation):
    config = replace(JUDGED, max_steps=7, evaluate_every=2, validation=validation)
    job = iter_train(*dense, base=tiny, config=config, meaning="instances")
    seen = [progress.metrics for progress in job if progress.stage != "prepare"]
    points = [{name: value for name, value in metrics.items() if name not in ("now", "best_step")} for metrics in seen if "step" in metrics]
    curve = job.result.history[-1]["curve"]
    assert [point["step"] for point in points] == ([0] if validation else []) + [2, 4, 6, 7]
    np.testing.assert_equal(points, curve)
    assert [metrics["now"] for metrics in seen] == sorted(metrics["now"] for metrics in seen)
    assert {0, 1, 2, 3, 4, 5, 6, 7} - {metrics["now"] for metrics in seen} <= {0}
    assert seen[-1]["best_step"] == job.result.history[-1]["best_step"]


def test_what_is_labelled_is_told_before_the_first_step(tiny, dense):
    image, instances = dense
    first = next(p for p in iter_train(image, instances, base=tiny, config=JUDGED, meaning="instances") if p.metrics)
    assert first.stage == "prepare"
    facts = first.metrics
    assert facts["pixels_1"] == (instances == 0).sum()
    assert facts["pixels_2"] == (instances > 0).sum()
    assert facts["objects_2"] == 20
    assert facts["background_share"] == pytest.approx((instances == 0).mean())
    assert facts["validation_regions_1"] == 1
    assert 1 < facts["validation_regions_2"] < 20
    assert facts["validation_regions"] == facts["validation_regions_1"] + facts["validation_regions_2"]


def test_no_region_is_held_out_of_few_strokes(tiny, strokes):
    facts = next(p.metrics for p in iter_train(*strokes, base=tiny, config=JUDGED) if p.metrics)
    assert facts["validation_regions"] == 0
    assert (facts["background_share"], facts["pixels_2"], facts["objects_1"]) == (0.5, 160, 1)
