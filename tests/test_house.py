"""The rules of the house, as far as a machine can see them; CONTRIBUTING gives their reasons."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, TESTS = ROOT / "src" / "napari_temseg", ROOT / "tests"
FILES = sorted(PACKAGE.rglob("*.py"))


def in_package(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def assigned(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Names that a module gives a value, and the value as it is written."""
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        value = getattr(node, "value", None)
        for target in targets:
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = value.elts if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) else [value] * len(names)
            yield from ((each.id, ast.unparse(one)) for each, one in zip(names, values, strict=True) if isinstance(each, ast.Name) and one)


def test_a_folder_holds_at_most_18_files() -> None:
    counts = {in_package(folder): sum(each.is_file() for each in folder.iterdir()) for folder in {path.parent for path in FILES}}
    assert {name: count for name, count in counts.items() if count > 18} == {}


def test_a_file_has_at_most_400_lines() -> None:
    lines = {in_package(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_a_public_class_name_exists_once() -> None:
    homes = defaultdict(list)
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(in_package(path))
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_one_file_knows_the_private_names_of_the_window() -> None:
    known = {in_package(path) for path in FILES if re.search(r"\._qt_window\b|_qt_viewer\b", path.read_text(encoding="utf-8"))}
    assert known == {"widgets/canvas/main_window.py"}


def test_a_constant_of_one_name_means_one_thing() -> None:
    values: dict[str, dict[str, str]] = defaultdict(dict)
    for path in FILES:
        for name, value in assigned(ast.parse(path.read_text(encoding="utf-8")).body):
            if re.fullmatch(r"[A-Z][A-Z0-9_]+", name):
                values[name][in_package(path)] = value
    differing = {name: where for name, where in values.items() if len(set(where.values())) > 1}
    assert differing == {}


def test_every_room_of_tests_is_one_of_the_package() -> None:
    rooms = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    assert {room.as_posix() for room in rooms if not (PACKAGE / room).is_dir()} == set()


@pytest.mark.parametrize("what", [r"qtbot\.wait\(", r"QTest\.qWait\("])
def test_no_test_waits_for_a_time(what: str) -> None:
    found = [f"{path.name}:{n}" for path in TESTS.rglob("*.py") if path != Path(__file__).resolve() for n in _lines(path, what)]
    assert found == []


def _lines(path: Path, pattern: str) -> list[int]:
    return [n for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if re.search(pattern, line)]


def test_contributing_names_every_file() -> None:
    tree = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```")[1]
    named = set(re.findall(r"\w+", tree))
    assert {in_package(path) for path in FILES if path.stem not in named and not path.stem.startswith("__")} == set()
