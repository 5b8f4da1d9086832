"""The command line: results, exit codes, one line for whatever is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile
from skimage.draw import disk

import napari_temseg as temseg
from interrupted import interrupted
from napari_temseg.cli.main import main, parser
from napari_temseg.files.checkpoints import CheckpointFile
from napari_temseg.files.formats.tiff import write_tiff
from napari_temseg.files.tables import read_labels

COMMANDS = ("demo", "run", "train", "predict", "split", "measure", "evaluate", "draft", "simulate", "models", "export", "info", "gui")


pytestmark = pytest.mark.usefixtures("log_elsewhere")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Five bright discs, 0.5 nm a pixel, and their truth beside it."""
    labels = np.zeros((96, 128), np.uint8)
    for number, (y, x) in enumerate([(20, 20), (70, 30), (40, 64), (20, 100), (75, 100)], 1):
        labels[disk((y, x), 10)] = number
    noise = np.random.default_rng(0).normal(60, 8, labels.shape)
    write_tiff(tmp_path / "grid.tif", (noise + 120 * (labels > 0)).astype(np.uint8), temseg.Calibration((0.5, 0.5), "typed"))
    iio.imwrite(tmp_path / "truth.png", labels)
    return tmp_path / "grid.tif"


def _json(capsys: pytest.CaptureFixture[str], *argv: object) -> dict:
    assert main([*map(str, argv), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        assert main([command, "--help"]) == 0
        assert f"usage: temseg {command}" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert temseg.__version__ in capsys.readouterr().out


def test_options_derive_from_the_settings() -> None:
    args = parser().parse_args(["run", "x", "-o", "y", "--strength", "0.7", "--scales", "1", "0.5", "--no-fill-holes"])
    assert (args.strength, args.scales, args.fill_holes) == (0.7, [1.0, 0.5], False)
    assert not hasattr(args, "smoothing")
    args = parser().parse_args(
        ["train", "-i", "x", "-l", "y", "-o", "z", "--max-seconds", "3", "--unfreeze", "--encoder-weights", "imagenet"]
    )
    assert (args.max_seconds, args.unfreeze, args.encoder_weights) == (3.0, True, "imagenet")


def test_run_and_replay(picture: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = _json(capsys, "run", picture, "-o", tmp_path / "one", "-m", model, "--strength", "0.3")
    assert found["settings"]["split"]["strength"] == 0.3
    assert {Path(name).name for name in found["files"]} == {
        path.name for path in (tmp_path / "one").rglob("[!.]*") if path.is_file() and ".temseg" not in path.parts
    }
    _json(capsys, "run", "--recipe", tmp_path / "one" / "recipe.json", "-o", tmp_path / "two")
    assert (tmp_path / "one" / "particles.csv").read_bytes() == (tmp_path / "two" / "particles.csv").read_bytes()
    changed = _json(capsys, "run", "--recipe", tmp_path / "one" / "recipe.json", "-o", tmp_path / "three", "--pixel-size", "2 Å")
    assert changed["images"][0]["calibration"]["pixel_size"] == [0.2, 0.2]
    assert changed["settings"] == found["settings"]


def test_a_standard_goes_with_the_pixel_size(picture: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = ("--pixel-size", "0.5 nm", "--factor", "1.02 ± 0.0051", "--standard", "gold", "--standard-date", "2026-11-02")
    found = _json(capsys, "run", picture, "-o", tmp_path / "out", "-m", model, *size)
    calibration = found["images"][0]["calibration"]
    assert (calibration["factor"], calibration["standard"], calibration["date"]) == (1.02, "gold", "2026-11-02")
    assert calibration["factor_uncertainty"] == pytest.approx(0.005)
    assert main(["run", str(picture), "-o", str(tmp_path / "no"), "-m", str(model), "--factor", "1.02"]) == 2
    assert "go with --pixel-size" in capsys.readouterr().err


def test_run_says_what_it_found(picture: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(picture), "-o", str(tmp_path / "out"), "-m", str(model)]) == 0
    out, err = capsys.readouterr()
    assert "grid:" in out
    assert "0.5 nm/px" in out
    assert "report.html" in out
    assert err == ""


def test_a_bad_file_among_good_ones_is_exit_1(picture: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.tif").write_bytes(b"rubbish")
    assert main(["run", str(tmp_path / "bad.tif"), str(picture), "-o", str(tmp_path / "out"), "-m", str(model)]) == 1
    out, err = capsys.readouterr()
    assert "grid:" in out
    assert err.count("\n") == 1
    assert "bad.tif" in err
    assert (tmp_path / "out" / "particles.csv").exists()


def test_predict_split_measure_evaluate(picture: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _json(capsys, "predict", picture, "-o", tmp_path, "-m", model, "--probability")
    assert set(np.unique(read_labels(tmp_path / "grid_classes.tif"))) <= {1, 2}
    _json(capsys, "split", tmp_path / "grid_probability.tif", "-o", tmp_path)
    assert (tmp_path / "grid_particles.tif").exists()
    _json(capsys, "split", tmp_path / "truth.png", "-o", tmp_path, "--labels-mean", "mask", "--pixel-size", "0.5 nm")
    measured = _json(capsys, "measure", tmp_path / "truth_particles.tif", "-o", tmp_path / "table.csv")
    assert measured["distributions"]["nm"]["mean"] == pytest.approx(10, rel=0.03)
    table = pd.read_csv(tmp_path / "table.csv")
    assert len(table) == 5
    assert set(table["image"]) == {"truth_particles"}
    score = _json(capsys, "evaluate", tmp_path / "truth_particles.tif", tmp_path / "truth.png")
    both = _json(capsys, "evaluate", tmp_path / "truth_particles.tif", tmp_path / "truth.png", tmp_path / "truth.png")
    assert [each["iou"] for each in both.values()] == [score["iou"], 1.0]
    assert (score["iou"], score["pq"], score["n_found"], score["n_true"]) == (1.0, 1.0, 5, 5)


def test_predict_goes_on_after_a_bad_file(picture: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(tmp_path / "gone.tif"), str(picture), "-o", str(tmp_path), "-m", str(model), "--json"]) == 1
    out, err = capsys.readouterr()
    assert "gone.tif" in err
    assert [Path(name).name for name in json.loads(out)["files"]] == ["grid_classes.tif"]


def test_train_writes_a_model_that_predicts(picture: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--labels-mean", "instances", "--base", model, "--max-seconds", "3600", "--max-steps", "2", "--crop", "64")
    trained = _json(capsys, "train", "-i", picture, "-l", tmp_path / "truth.png", "-o", tmp_path / "mine.temseg", *options)
    assert trained["steps"] == 2
    assert trained["classes"] == {"1": "background", "2": "particle"}
    assert temseg.load(tmp_path / "mine.temseg").content_hash() == trained["model_hash"]
    _json(capsys, "predict", picture, "-o", tmp_path, "-m", tmp_path / "mine.temseg")
    other = tmp_path / "other.tif"
    write_tiff(other, np.random.default_rng(1).integers(0, 255, (64, 90), np.uint8), temseg.Calibration((0.5, 0.5), "typed"))
    line = ("train", "-i", picture, "-l", tmp_path / "truth.png", "-o", tmp_path / "held.temseg", *options, "--validation", "0")
    alone, holding = (_json(capsys, *line, *more)["model_hash"] for more in ((), ("--unlabelled", other)))
    assert alone != holding  # some of the crops came from there
    assert main(["train", "-i", str(picture), "-l", str(tmp_path / "truth.png"), "-o", "x.temseg", "--unlabelled", "gone.tif"]) == 2
    assert "gone.tif" in capsys.readouterr().err
    assert main(["train", "-i", str(picture), "-l", str(tmp_path / "truth.png"), "-o", "x.temseg"]) == 2
    assert "hold 5 numbers, each in one piece" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill with SIGINT ends the process there")
def test_a_training_goes_on_from_its_checkpoint(
    picture: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("napari_temseg.engine.training.checkpoint.CHECKPOINT_EVERY", 0.0)
    night, mine = tmp_path / "night.checkpoint", tmp_path / "mine.temseg"
    line = ["train", "-i", picture, "-l", tmp_path / "truth.png", "-o", mine, "--labels-mean", "instances", "--base", model]
    line += ["--checkpoint", night, "--crop", "64", "--batch", "1", "--patience", "9999", "--json"]
    over = threading.Event()

    def interrupt() -> None:
        while not night.exists() and not over.wait(0.02):
            pass
        if not over.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        assert main([*map(str, line), "--max-steps", "99999", "--max-seconds", "3600"]) == 1
    finally:
        over.set()
        thread.join()
    out, err = capsys.readouterr()
    first = json.loads(out)
    assert f"the same command goes on with the training, from {night}" in err
    assert mine.exists()
    kept = CheckpointFile(night).load().facts
    again = _json(capsys, *line[:-1], "--max-steps", first["steps"] + 2, "--max-seconds", "3600")
    assert again["steps"] == first["steps"] + 2
    assert again["seconds"] >= round(kept["spent"], 2) > 0
    told = first["curve"][:-1]  # the last point was made because of the stop, of which a training that goes on knows nothing
    assert again["curve"][: len(told)] == told
    assert f"went on at step {first['steps']} after a stop" in again["notes"]
    assert not night.exists()


def test_draft_fills_the_picture(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strokes = np.zeros((96, 128), np.uint8)
    strokes[40, 58:70], strokes[48, 5:30] = 2, 1
    iio.imwrite(tmp_path / "strokes.png", strokes)
    _json(capsys, "draft", picture, "-l", tmp_path / "strokes.png", "-o", tmp_path / "draft.tif")
    truth, filled = iio.imread(tmp_path / "truth.png") > 0, read_labels(tmp_path / "draft.tif")
    assert ((filled == 2) & truth).sum() > 0.7 * ((filled == 2) | truth).sum()


def test_simulate_writes_picture_and_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = (
        "--height",
        "96",
        "--width",
        "128",
        "--count",
        "6",
        "--diameter",
        "14",
        "--mode",
        "HAADF",
        "--shapes",
        "sphere",
        "rod",
        "--seed",
        "5",
    )
    found = _json(capsys, "simulate", "-o", tmp_path / "s.tif", *options)
    truth = read_labels(tmp_path / "s_truth.tif")
    assert temseg.read(tmp_path / "s.tif").data.shape == truth.shape == (96, 128)
    assert len(pd.read_csv(tmp_path / "s_truth.csv")) == found["particles"] == truth.max()


def test_export_coco(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _json(capsys, "export", tmp_path / "truth.png", "-o", tmp_path / "t.json")["particles"] == 5


def test_models_and_info(capsys: pytest.CaptureFixture[str]) -> None:
    for entry in _json(capsys, "models"):
        assert Path(entry["file"]).is_file()
    assert {"napari-temseg", "torch", "device chosen", "log"} <= set(_json(capsys, "info"))


def _tiff(path: Path, array: np.ndarray) -> None:
    tifffile.imwrite(path, array, photometric="minisblack")


GREY = np.zeros((40, 50), np.uint8)
FILES = {
    "empty.tif": lambda path: path.write_bytes(b""),
    "text.tif": lambda path: path.write_text("no picture"),
    "text.png": lambda path: path.write_text("no picture"),
    "stack.tif": lambda path: _tiff(path, np.zeros((3, 40, 50), np.uint8)),
    "colour.png": lambda path: iio.imwrite(path, np.dstack([GREY + 250, GREY, GREY])),
    "float.tif": lambda path: _tiff(path, np.full((40, 50), 0.5, np.float32)),
    "other.tif": lambda path: _tiff(path, np.ones((7, 9), np.uint8)),
    "good.tif": lambda path: _tiff(path, np.arange(2000, dtype=np.uint16).reshape(40, 50)),
    "nan.tif": lambda path: _tiff(path, np.full((40, 50), np.nan, np.float32)),
    "mask.png": lambda path: iio.imwrite(path, np.where(np.arange(2000).reshape(40, 50) % 7, 255, 0).astype(np.uint8)),
    "short.temseg": lambda path: path.write_bytes(b"\x08\0\0\0\0\0\0\0{}"),
    "bad.json": lambda path: path.write_text("{"),
    "folder": lambda path: path.mkdir(),
}
REQUESTS = [
    ("run gone.tif -o out", "gone.tif"),
    ("run empty.tif -o out -m MODEL", "empty.tif"),
    ("run text.tif -o out -m MODEL", "text.tif"),
    ("run text.png -o out -m MODEL", "text.png"),
    ("run stack.tif -o out -m MODEL", "stack.tif"),
    ("run colour.png -o out -m MODEL", "colour.png"),
    ("run nan.tif -o out -m MODEL", "nan"),
    ("run folder -o out -m MODEL", "folder"),
    ("run good.tif -o text.tif", "text.tif"),
    ("run good.tif -o out -m gone.temseg", "gone.temseg"),
    ("run good.tif -o out -m short.temseg", "short.temseg"),
    ("run good.tif -o out -m MODEL --pixel-size 3bananas", "bananas"),
    ("run good.tif -o out -m MODEL --pixel-size 1e300nm", "No micrograph has a pixel of 1e+300 nm"),
    ("run good.tif -o out -m MODEL --pixel-size 0nm", "must be two positive numbers"),
    ("run good.tif -o out -m MODEL --pixel-size -3nm", "--pixel-size"),
    ("run good.tif -o out -m MODEL --axes sideways", "sideways"),
    ("run good.tif -o out -m MODEL --strength 7", "strength"),
    ("run good.tif -o out -m MODEL --strength much", "--strength"),
    ("run good.tif -o out -m MODEL --tile 3", "tile"),
    ("run good.tif -o out -m MODEL --nonsense", "--nonsense"),
    ("run good.tif -o out -m MODEL --device tpu", "--device"),
    ("run --recipe bad.json -o out", "bad.json"),
    ("run --recipe gone.json -o out", "gone.json"),
    ("run -o out", "recipe"),
    ("run good.tif", "-o/--output"),
    ("predict gone.tif -o out -m MODEL", "gone.tif"),
    ("predict stack.tif -o out -m MODEL", "stack.tif"),
    ("split float.tif -o out", "float.tif"),
    ("split mask.png -o out", "mask.png"),
    ("split colour.png -o out --labels-mean mask", "colour.png"),
    ("measure float.tif -o t.csv", "float.tif"),
    ("measure gone.tif -o t.csv", "gone.tif"),
    ("measure mask.png -o folder", "folder"),
    ("evaluate good.tif other.tif", "shape"),
    ("evaluate good.tif gone.tif", "gone.tif"),
    ("train -i good.tif -l other.tif -o m.temseg --base MODEL", "good"),
    ("train -i good.tif gone.tif -l other.tif -o m.temseg", "2 images and 1 label"),
    ("train -i good.tif -l mask.png -o m.temseg --base MODEL", "mask"),
    ("train -i good.tif -l mask.png -o m.temseg --labels-mean mask --base gone.temseg", "gone.temseg"),
    ("train -i good.tif -l mask.png -o m.temseg --max-seconds -1", "max_seconds"),
    ("train -i good.tif -l mask.png -o m.temseg --checkpoint m.temseg", "name another file"),
    ("train -i good.tif -l mask.png -o m.temseg --labels-mean mask --base MODEL --checkpoint text.tif", "text.tif"),
    ("train -i good.tif -l mask.png -o m.temseg --class-name rod", "--class-name"),
    ("draft good.tif -l other.tif -o d.tif", "other.tif"),
    ("simulate -o s.png", "s.png"),
    ("simulate -o s.tif --height 2", "height"),
    ("simulate -o s.tif --shapes blob", "blob"),
    ("export good.tif -o x.docx", "x.docx"),
    ("export gone.temseg -o x.onnx", "gone.temseg"),
    ("export float.tif -o x.json", "float.tif"),
    ("demo -o text.tif", "text.tif"),
    ("demo -o out --size 9", "--size"),
    ("demo -o out --seconds 0", "max_seconds"),
    ("gui gone.tif", "gone.tif"),
    ("bogus", "bogus"),
    ("", "COMMAND"),
]


@pytest.mark.parametrize(("request_line", "named"), REQUESTS, ids=[line for line, _ in REQUESTS])
def test_bad_requests_are_one_line(
    request_line: str, named: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, make in FILES.items():
        make(tmp_path / name)
    assert main([str(model) if word == "MODEL" else word for word in request_line.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("temseg: ")
    assert err.count("\n") == 1
    assert named in err
    assert "Traceback" not in err


def test_the_unexpected_goes_to_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr("napari_temseg.api.simulate", fail)
    assert main(["simulate", "-o", str(tmp_path / "s.tif")]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "temseg.log" in err
    log = (tmp_path / "log" / "temseg.log").read_text(encoding="utf-8")
    assert "Traceback" in log
    assert "a mistake of ours" in log


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_what_is_done(
    sent: signal.Signals, picture: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(60):
        (tmp_path / "many").mkdir(exist_ok=True)
        (tmp_path / "many" / f"{index:03}.tif").write_bytes(picture.read_bytes())
    command = ["run", str(tmp_path / "many"), "-o", str(tmp_path / "out"), "-m", str(model)]
    third = tmp_path / "out" / "002_particles.tif"
    if sent == signal.SIGINT:
        with interrupted(third.exists):
            code = main(command)
        err = capsys.readouterr().err
    else:
        program = [sys.executable, "-m", "napari_temseg.cli", *command]
        with subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            while not third.exists() and process.poll() is None:
                time.sleep(0.05)
            process.send_signal(sent)
            err, code = process.communicate()[1], process.returncode
    assert code == 1, err
    assert "Traceback" not in err
    assert "temseg: stopped. " in err
    assert "are missing; the same command goes on." in err
    finished = (
        set(pd.read_csv(tmp_path / "out" / "particles.csv")["image"])
        if (tmp_path / "out" / "particles.csv").stat().st_size > 100
        else set()
    )
    assert len(finished) < 60
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert len(summary["images"]) >= 3
    assert not summary["complete"]
    assert len(summary["images"]) + len(summary["missing"]) == 60


def test_a_full_disk_is_one_line_and_exit_1(picture: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resource = pytest.importorskip("resource")
    write_tiff(tmp_path / "larger.tif", np.tile(tifffile.imread(picture), (8, 7)), temseg.Calibration((0.5, 0.5), "typed"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size, named in ((2**14, "out: cannot be written"), (2**19, "larger_classes.tif: cannot be written")):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            code = main(["run", str(picture), str(tmp_path / "larger.tif"), "-o", str(tmp_path / "out"), "-m", str(model)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        err = capsys.readouterr().err
        assert code == 1
        assert named in err
        assert len([line for line in err.splitlines() if line.startswith("temseg: ")]) == 1  # a slow machine says how far it is, too
    assert "1 of 2 inputs is finished; larger.tif is missing; the same command goes on." in err
    assert set(json.loads((tmp_path / "out" / "summary.json").read_text())["missing"]) == {str(tmp_path / "larger.tif")}


def test_a_series_is_chosen_by_name_and_kept_in_the_recipe(
    tmp_path: Path, picture: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grey = tifffile.imread(picture)
    with tifffile.TiffWriter(tmp_path / "two.tif") as tif:
        tif.write(grey[:80])
        tif.write(grey)
    options = ["-o", tmp_path / "out", "--model", model, "--series"]
    _json(capsys, "run", tmp_path / "two.tif", *options, "series 0")
    assert tifffile.imread(tmp_path / "out" / "two_classes.tif").shape == (80, 128)
    assert json.loads((tmp_path / "out" / "recipe.json").read_text(encoding="utf-8"))["series"] == "series 0"
    assert main([str(part) for part in ("predict", tmp_path / "two.tif", *options, "nonsense")]) == 2
    assert "no series “nonsense”" in capsys.readouterr().err
