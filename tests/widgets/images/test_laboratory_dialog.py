"""The laboratory's table of calibrations in a real viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from in_the_window import told

from napari_temseg.files.laboratory import CALIBRATION_COLUMNS, CalibrationRow, own_rows, own_table, write_table
from napari_temseg.widgets.images.calibration_dialog import ask_calibration
from napari_temseg.widgets.images.laboratory_dialog import LaboratoryDialog

TALOS = CalibrationRow("Talos", "STEM", 320_000, 200, "HAADF", 1.02, 1.05, 0.004, "grating", "2026-01-02")


def test_the_table_is_edited_shared_and_kept(viewer: Any, open_bench: Any, tmp_path: Path) -> None:
    write_table(own_table(), [TALOS])
    viewer.add_image(np.zeros((64, 64)), name="grid", scale=(0.5, 0.5), units=("nm", "nm"))
    bench = open_bench(viewer)
    calibration = ask_calibration(bench.session, bench)
    assert calibration is not None
    calibration.correction.laboratory.click()
    (dialog,) = viewer.window._qt_window.findChildren(LaboratoryDialog)
    assert dialog.rows() == [TALOS]
    assert not dialog.save.isEnabled()

    dialog.add.click()
    dialog.table.item(1, CALIBRATION_COLUMNS.index("instrument")).setText("Titan")
    dialog.save.click()
    assert told("Line 2: there is no factor_x")
    assert own_rows() == [TALOS]
    dialog.table.item(1, CALIBRATION_COLUMNS.index("factor_x")).setText("0,99")
    dialog.save.click()
    assert own_rows() == [TALOS, CalibrationRow("Titan", factor_x=0.99, factor_y=0.99)]

    write_table(tmp_path / "colleague.csv", [TALOS, CalibrationRow(camera="Ceta", factor_x=1.1, factor_y=1.1)])
    dialog.import_from(tmp_path / "colleague.csv")
    assert dialog.table.rowCount() == 3
    dialog.table.selectRow(0)
    dialog.remove.click()
    dialog.save.click()
    assert [each.camera for each in own_rows()] == ["", "Ceta"]
    dialog.add.click()
    dialog.close()
    assert dialog.isVisible()
    assert "Not saved yet" in dialog.said.text()
    dialog.close()
    assert not dialog.isVisible()
    calibration.close()
