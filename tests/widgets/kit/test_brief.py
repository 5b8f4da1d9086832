"""A long text shows its beginning, and the rest on request."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QLabel

from napari_temseg.widgets.kit.brief import Brief

LONG = "Not usable as it is: <a.tif> is unlike the images the model was trained on, " + "and what is known does not hold there. " * 8


def test_a_long_text_is_folded_until_more_is_asked_for(qtbot: Any) -> None:
    label = Brief(3, "warning")
    qtbot.addWidget(label)
    label.resize(260, 100)
    label.show()
    label.setText(LONG)
    line = label.fontMetrics().lineSpacing()
    assert label.is_folded()
    assert label.text() == LONG
    assert label.toolTip() == LONG
    assert "&lt;a.tif&gt;" in QLabel.text(label)
    assert label.heightForWidth(260) <= 3 * line + line // 2
    label.linkActivated.emit("more")
    assert not label.is_folded()
    assert label.heightForWidth(260) > 6 * line
    label.setText(LONG)  # told again, as after any change of the session
    assert not label.is_folded()
    label.linkActivated.emit("less")
    assert label.is_folded()
    label.keep_to(20)  # in a higher window
    assert not label.is_folded()
    label.keep_to(3)
    label.resize(2000, 100)
    qtbot.waitUntil(lambda: not label.is_folded())
    assert "more</a>" not in QLabel.text(label)
    label.setText("Short.")
    assert "more</a>" not in QLabel.text(label)


def test_more_stands_at_a_place_of_its_own_where_there_is_one_and_only_where_there_is_more(qtbot: Any) -> None:
    link = QLabel()
    brief = Brief(3, "heading", link)
    for each in (link, brief):
        qtbot.addWidget(each)
    brief.resize(260, 100)
    brief.setText(LONG)
    assert QLabel.text(brief).endswith(" …")
    assert ">more</a>" in link.text()
    link.linkActivated.emit("more")
    assert not brief.is_folded()
    assert ">less</a>" in link.text()
    brief.setText("Short.")
    assert (QLabel.text(brief), link.text()) == ("Short.", "")


def test_a_folded_text_keeps_to_the_room_that_is_kept_for_it(qtbot: Any) -> None:
    brief = Brief(5, "hint")
    qtbot.addWidget(brief)
    brief.keep_room(5)
    words = ["111 particles; 12 more are unsure and left out (Certainty 0, under “more on splitting”, keeps them). 11 of 111 are near"]
    for width in range(240, 340, 7):
        for more in ("", " 26.5 px, about the largest that was looked for: the distribution may go on beyond it.", " a word" * 60):
            brief.resize(width, 200)
            brief.setText(words[0] + more)
            assert brief.heightForWidth(width) <= brief.minimumHeight()
