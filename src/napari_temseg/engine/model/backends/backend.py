"""What a network is to those who predict with it, whatever runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from threading import Lock
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.model.device import FLOAT32, Device

Floats = npt.NDArray[np.float32]
_making_exact = Lock()
version_of = cache(version)  # to look it up takes milliseconds


class Backend(ABC):
    """A network made ready to predict on a `device`, in its precision."""

    name: ClassVar[str]

    def __init__(self, device: Device) -> None:
        self.device = device
        self._exact: Backend | None = None

    @abstractmethod
    def outputs(self, tiles: Iterable[Floats]) -> Iterator[Floats]:
        """Raw outputs (1, C, Y, X) of tiles (1, ·, Y, X), in their order; some tiles may be taken before the output of the first is given.

        RuntimeError where memory does not suffice (see `device.out_of_memory`).
        """

    @abstractmethod
    def in_float32(self) -> Backend:
        """The same network, computing in float32."""

    def exact(self) -> Backend:
        """The same in float32; itself where it computes so.

        What is read off it decides at which scale a picture is seen: rounding that hardly changes an outline would change them all.
        """
        if self.device.precision == FLOAT32:
            return self
        with _making_exact:
            if self._exact is None:
                self._exact = self.in_float32()
        return self._exact

    def take_less(self) -> bool:
        """Whether it can do with less memory than it took until now, and does from now on."""
        return False

    def described(self) -> str:
        """For a methods section: "openvino 2026.4.1, cpu, float32"."""
        return f"{self.name} {version_of(self.name)}, {self.device.kind}, {self.device.precision}"
