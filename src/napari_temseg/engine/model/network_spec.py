"""What it takes to build a network again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

DEFAULT_DECODER = (128, 64, 32, 16, 16)


@dataclass(frozen=True)
class NetworkSpec:
    """What it takes to build the network again; `n_classes` counts the background."""

    encoder: str = "mobilenet_v2"
    decoder_channels: tuple[int, ...] = DEFAULT_DECODER
    n_classes: int = 2
    auxiliary: tuple[str, ...] = ()
    working_size: float = 0.0  # px that particles of the size that is meant are wide in its eyes (see `band`); 0: any size, no flattening

    @property
    def n_outputs(self) -> int:
        """Channels of the head."""
        return self.n_classes - 1 + len(self.auxiliary)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; without a working size as before there was any, so that hashes of older models stand."""
        values = asdict(self)
        if not self.working_size:
            del values["working_size"]
        return values
