"""What the README promises exists: names of controls and keys in the window, commands and their options."""

from __future__ import annotations

import argparse
import ast
import re
from functools import cache
from pathlib import Path

from napari_temseg.cli.main import parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
WINDOW = README.split("## The window")[1].split("## Many micrographs")[0]
EMPHASIS = {"particle", "background", "reviewed"}  # a class or a column by its name
LONGEST = 240  # letters of a line, as a cell of a table may have


@cache
def shown() -> str:
    """Every text in the source of the window and of what it takes from settings, without docstrings and comments."""
    texts = []
    package = ROOT / "src" / "napari_temseg"
    for path in [*package.glob("widgets/**/*.py"), *package.glob("engine/types/*.py"), *package.glob("engine/measure/*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        found = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documented)
        texts += [node.value for node in found if isinstance(node.value, str)]
    return "\n".join(texts).lower()


def test_every_control_that_is_named_is_in_the_window() -> None:
    named = set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", WINDOW)) - EMPHASIS
    texts = shown()
    assert len(named) > 50
    assert not [each for each in named if each.lower() not in texts]


def test_every_key_that_is_named_is_promised_by_the_window_too() -> None:
    keys = set(re.findall(r"\b(?:Ctrl|Shift)\+(?:Shift\+)?\w\b|(?<=\()(?:[A-Z]|F\d+)(?=\))", WINDOW))
    assert {"F8", "F9", "G", "Shift+N", "Ctrl+Y"} <= keys
    texts = shown()
    assert not [key for key in keys if not re.search(rf"\b{re.escape(key.lower())}\b", texts)]


def test_every_command_and_option_that_is_named_exists() -> None:
    commands = next(action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)).choices
    named = set(re.findall(r"(?:[`/\\]|^)temseg ([a-z]+)", README, re.MULTILINE))
    assert {"run", "gui", "train", "calibrations", "info"} <= named <= set(commands)
    known = {option for each in commands.values() for action in each._actions for option in action.option_strings}
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    assert len(options) > 25
    assert options - known <= {"--without-pip", "--python"}  # of Python and pip


def test_no_line_is_a_wall() -> None:
    assert not [line[:60] for line in README.splitlines() if len(line) > LONGEST]
