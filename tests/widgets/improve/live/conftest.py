"""What tests of *Live* wait for."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def settle(qtbot: Any, idle: Any) -> Any:
    """Wait until what is painted is answered and nothing runs."""

    def settled(bench: Any) -> None:
        live, jobs = bench.panel(2).live.model, bench.session.jobs
        idle()
        qtbot.waitUntil(lambda: not live.coming and not jobs.running and not jobs.looking)
        idle()

    return settled
