"""Pictures on a local cluster of processes: the files of one process, also where a worker is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.types.config import SimulateConfig
from napari_temseg.files.formats.tiff import write_tiff

# In a process of its own, as the library leaves threads and sockets behind.
PROGRAM = """
import os, signal, sys
import distributed
import napari_temseg as temseg

if __name__ == "__main__":
    pictures, output = sys.argv[1:]
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with distributed.Client(cluster, set_as_default=False) as client:
            first = min(client.run(os.getpid).values())
        job, killed = temseg.iter_run(pictures, output, scheduler=cluster.scheduler_address), False
        for progress in job:
            if not killed and progress.message.endswith(": done"):
                os.kill(first, signal.SIGKILL)
                killed = True
        print("killed" if killed else "not killed", *job.result.notes)
"""


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*") if path.is_file()}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of other systems")
def test_a_cluster_that_loses_a_worker_writes_what_one_process_writes(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    for seed in range(4):
        drawn = temseg.simulate(SimulateConfig(seed=seed, width=128, height=128, count=8, diameter=16, pixel_size=0.5)).micrograph
        write_tiff(tmp_path / "pictures" / f"p{seed}.tif", drawn.plane(0).astype(np.float32), drawn.calibration)
    temseg.run(tmp_path / "pictures", tmp_path / "one")
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "pictures"), str(tmp_path / "many")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "killed On a cluster of up to 2 threads." in done.stdout, done.stderr
    assert content(tmp_path / "many") == content(tmp_path / "one")
    assert not list((tmp_path / "many" / ".temseg").glob("model-*"))


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_is_not_there_is_said(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", np.zeros((64, 64), np.uint8), temseg.Calibration())
    with pytest.raises(temseg.TemsegError, match=r"is not installed|no scheduler of dask answers there"):
        temseg.run(tmp_path / "a.tif", tmp_path / "out", scheduler="nowhere://here")
