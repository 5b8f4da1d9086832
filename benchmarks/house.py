"""The house in figures: files per folder, lines per file, circles of imports, names that exist twice, lines that stand twice.

    python benchmarks/house.py [SRC] [--against OTHER_SRC]

SRC is a folder that holds the package (default: `src` of this checkout); with --against another checkout's, side by side. Imports
under TYPE_CHECKING and inside functions count. A circle is a strongly connected part of the graph of modules.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import sparse

PACKAGE = "napari_temseg"
WINDOW = 6  # lines that are the same in two places


def modules(src: Path) -> dict[str, Path]:
    """Every module by its dotted name."""
    found = {}
    for path in sorted((src / PACKAGE).rglob("*.py")):
        parts = path.relative_to(src).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of the package that a file imports, wherever in the file that stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return found & set(known)


def circles(known: dict[str, Path]) -> list[list[str]]:
    """Groups of modules that import each other, directly or by way of others."""
    names = list(known)
    place = {name: index for index, name in enumerate(names)}
    pairs = [(place[name], place[other]) for name, path in known.items() for other in imports(path, known) if other != name]
    rows, columns = np.array(pairs).T
    graph = sparse.coo_array((np.ones(len(pairs)), (rows, columns)), shape=(len(names), len(names)))
    _, part = sparse.csgraph.connected_components(graph, connection="strong")
    groups: dict[int, list[str]] = {}
    for name, number in zip(names, part.tolist(), strict=True):
        groups.setdefault(number, []).append(name.removeprefix(f"{PACKAGE}."))
    return sorted((group for group in groups.values() if len(group) > 1), key=len, reverse=True)


def duplicates(known: dict[str, Path]) -> list[tuple[str, int, str, int, int]]:
    """Places (file, line, file, line, lines) where at least `WINDOW` lines that hold more than a bracket stand twice, imports left out."""
    seen: dict[tuple[str, ...], tuple[str, int]] = {}
    found: list[tuple[str, int, str, int, int]] = []
    for name, path in known.items():
        lines = [(n, text.strip()) for n, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)]
        lines = [(n, text) for n, text in lines if re.search(r"\w", text) and not re.match(r"(from|import) |[\w, ]+,$", text)]
        for index in range(len(lines) - WINDOW + 1):
            window = tuple(text for _, text in lines[index : index + WINDOW])
            first = seen.setdefault(window, (name, lines[index][0]))
            if first == (name, lines[index][0]):
                continue
            last = found[-1] if found else None
            if last and last[2] == name and last[3] + last[4] - WINDOW + 1 >= lines[index][0] - 2:
                found[-1] = (*last[:4], last[4] + 1)
            else:
                found.append((*first, name, lines[index][0], WINDOW))
    return found


def twice(known: dict[str, Path], pattern: str) -> list[str]:
    """Names at the start of a line, by a pattern with one group, that more than one file has."""
    count = Counter(name for path in known.values() for name in set(re.findall(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)))
    return sorted(f"{name} ×{n}" for name, n in count.items() if n > 1)


def figures(src: Path) -> Iterator[tuple[str, str, str]]:
    """Rows: what, the figure, and which."""
    known = modules(src)
    files = [path for path in known.values() if path.name != "__init__.py"]
    folders = Counter(path.parent.relative_to(src / PACKAGE).as_posix() for path in known.values())
    length = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    largest = sorted(files, key=length.__getitem__, reverse=True)[:3]
    found, same = circles(known), duplicates(known)
    classes, constants = twice(known, r"^class ([A-Z]\w*)"), twice(known, r"^([A-Z][A-Z_]+)\b *(?::[^=\n]+)?=")
    yield "lines in all", f"{sum(length.values()):,}", f"{len(files)} files"
    yield "lines a file, median", f"{statistics.median(length.values()):.0f}", ""
    yield "lines a file, largest", f"{length[largest[0]]}", ", ".join(f"{path.name} {length[path]}" for path in largest)
    yield "files a folder, most", f"{max(folders.values())}", ", ".join(f"{name} {n}" for name, n in folders.most_common(4))
    yield "folders", f"{len(folders)}", ""
    yield "circles of imports", f"{len(found)}", "; ".join("–".join(group[:6]) + ("…" if len(group) > 6 else "") for group in found)
    yield "modules in circles", f"{sum(map(len, found))}", ""
    yield "classes of one name", f"{len(classes)}", ", ".join(classes)
    yield "constants of one name", f"{len(constants)}", ", ".join(constants)
    yield f"{WINDOW} lines or more twice", f"{len(same)}", "; ".join(f"{a}:{n} = {b}:{m} ({k})" for a, n, b, m, k in same[:6])


def main() -> None:
    """Print the figures, before and after where there are two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("src", type=Path, nargs="?", default=Path(__file__).parents[1] / "src")
    parser.add_argument("--against", type=Path, help="the src folder of another checkout, printed as “before”")
    args = parser.parse_args()
    before = {what: figure for what, figure, _ in figures(args.against)} if args.against else {}
    for what, figure, which in figures(args.src):
        print(f"{what:26}{before.get(what, ''):>10}{figure:>10}  {which}")


if __name__ == "__main__":
    main()
