"""The programs beside the package run: pretraining is resumable, the benchmarks print their tables."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("TEMSEG_DATA", ROOT.parent / "shared" / "data"))
needs_emps = pytest.mark.skipif(not (DATA / "emps" / "index.csv").is_file(), reason=f"no EMPS micrographs in {DATA}; set TEMSEG_DATA")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a program with arguments and return what it printed; in this process, as importing torch takes longer than most of them do."""

    def ran(program: str, *arguments: str | Path) -> str:
        monkeypatch.setenv("TEMSEG_DATA", str(DATA))
        monkeypatch.setattr(sys, "argv", [program, *map(str, arguments)])
        monkeypatch.syspath_prepend(ROOT / Path(program).parent)
        runpy.run_path(str(ROOT / program), run_name="__main__")
        return capsys.readouterr().out

    return ran


@needs_emps
def test_pretraining_resumes_and_writes_a_model(run, tmp_path):
    small = ("--limit", "3", "--pool", "2", "--crops", "2", "--simulated", "1", "--size", "64")
    command = ["pretraining/train_particles.py", "--folder", tmp_path, *small]
    assert "at step 0," in run(*command, "--minutes", "0.02")
    second = run(*command, "--minutes", "0.04")
    assert "at step 0," not in second
    assert (tmp_path / "particles.temseg").stat().st_size < 16_000_000


@needs_emps
def test_accuracy_prints_its_table(run):
    printed = run("benchmarks/accuracy.py", "emps", "--part", "tune", "--limit", "1", "--untouched-only")
    assert "| untouched | 0." in printed


@needs_emps
def test_strokes_prints_its_curve_and_goes_on_from_its_ledger(run, tmp_path):
    command = ["benchmarks/strokes.py", "--particles", "--part", "tune", "--limit", "3", "--rounds", "2", "--without-forest"]
    first = run(*command, "--ledger", tmp_path / "done.jsonl")
    assert "| instant answer | " in first
    assert run(*command, "--ledger", tmp_path / "done.jsonl").splitlines()[4:] == first.splitlines()[4:]


@needs_emps
def test_next_prints_both_curves(run):
    printed = run("benchmarks/next.py", "--limit", "1", "--rounds", "1", "--seeds", "1")
    assert "| Next | 0." in printed
    assert "| random | 0." in printed


def test_speed_prints_ratios(run):
    printed = run("benchmarks/speed.py", "--rounds", "1", "--warm-up", "0", "--crops", "2", "--size", "64", "--tile", "128")
    assert printed.count("| ours") == 4


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited and measured by means of Linux")
def test_robust_counts_what_becomes_of_damaged_files(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.arange(4096, dtype=np.uint16).reshape(64, 64))
    command = [sys.executable, "benchmarks/robust.py", "--cuts", "3", "--tails", "2", "--flips", "5", tmp_path / "a.tif"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, cwd=ROOT, env={**os.environ, "TEMSEG_DATA": str(DATA)})
    assert done.returncode == 0, done.stderr[-2000:]
    total = done.stdout.splitlines()[-1].split()
    assert total[:2] == ["all", "10"]
    assert total[5:] == ["0", "0", "0", "0"]
