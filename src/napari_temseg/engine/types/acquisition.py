"""How a picture was taken, as far as its file tells: what a calibration of the laboratory is chosen by, and what one field is known by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Acquisition:
    """Instrument, mode ("TEM", "STEM", "SEM" …), magnification, high tension in kV, camera or detector; "" or 0 where the file is silent.

    `time` is ISO 8601 as the microscope's clock had it, `stage` the position (x, y) of the specimen in µm.
    """

    instrument: str = ""
    mode: str = ""
    magnification: float = 0.0
    kilovolts: float = 0.0
    camera: str = ""
    time: str = ""
    stage: tuple[float, float] | None = None

    def describe(self) -> str:
        """For people: "Talos F200X · STEM · 320000 × · 200 kV · HAADF"; "" where nothing is known."""
        parts = [self.instrument, self.mode, f"{self.magnification:g} ×" if self.magnification else ""]
        parts += [f"{self.kilovolts:g} kV" if self.kilovolts else "", self.camera, self.time]
        parts += ["stage {:.4g}, {:.4g} µm".format(*self.stage) if self.stage else ""]
        return " · ".join(filter(None, parts))
