"""Step 2 tells of larger particles that were not looked for, and one press finds them too."""

from __future__ import annotations

from typing import Any

from two_sizes import two_sizes


def test_larger_ones_are_told_of_and_one_press_finds_both_and_keeps_what_was_found(viewer: Any, open_bench: Any, wait_jobs: Any) -> None:
    viewer.add_image(two_sizes(large=2).image, name="two large ones")
    bench = open_bench(viewer)
    bench.go(1)
    session, panel = bench.session, bench.panel(1)
    panel.dial.say_sizes([12.0])
    panel.one.click()
    wait_jobs(session)
    item = session.current
    size, found = item.prediction.size, len(item.particles)
    assert "2 larger particles of about" in panel.note.text()
    assert "not looked for" in panel.note.text()
    assert panel.ways.too.accessibleName().startswith("Both: ")
    said, typed = item.search, panel.dial.field.text()
    panel.ways.too.click()
    assert panel.dial.field.text() != typed
    session.jobs.cancel()
    wait_jobs(session)
    assert (item.search, panel.dial.field.text()) == (said, typed)  # what came to nothing was not said
    panel.ways.too.click()
    wait_jobs(session)
    assert item.prediction.size == size  # what was found is looked for just as before
    assert item.prediction.other.size > 60
    assert (item.particles.table["population"] == "large").sum() == 2
    assert (item.particles.table["population"] == "small").sum() == found
    assert "not looked for" not in panel.note.text()
    other = item.prediction.other.size
    panel.one.click()
    wait_jobs(session)
    assert (item.prediction.size, item.prediction.other.size) == (size, other)  # and so it is again
    panel.dial.say_sizes([12.0])
    assert not panel.finder.predict.exact_size
