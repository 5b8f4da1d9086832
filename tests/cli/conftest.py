"""What all tests of commands share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _known_drawings(known_drawings: None) -> None:
    """Commands that run in the process of the tests draw the same sizes once."""
