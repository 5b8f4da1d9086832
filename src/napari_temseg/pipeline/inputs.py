"""Which micrographs a run is about, and what each is called in tables and file names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.formats.tiff import content_of
from napari_temseg.files.readers import EXTENSIONS, checked_path, is_micrograph


def collect(inputs: Sequence[str | Path]) -> tuple[list[Path], dict[str, str]]:
    """Files as given and the micrographs of folders (sorted, not their subfolders, not our own results), each once.

    Of a folder's .emi and the .ser files that hold its pixels, the latter are taken. Returns the paths and, by input,
    why one gives nothing. `TemsegError` when no input is named.
    """
    if not inputs:
        raise TemsegError("No micrograph is named: give files or folders.")
    paths: dict[Path, Path] = {}
    failures: dict[str, str] = {}
    for entry in map(Path, inputs):
        try:
            found = _micrographs(entry) if entry.is_dir() else [checked_path(entry)]
        except TemsegError as error:
            failures[str(entry)] = str(error)
            continue
        for path in found:
            paths.setdefault(path.resolve(), path)
    return list(paths.values()), failures


def _micrographs(folder: Path) -> list[Path]:
    try:
        files = [path for path in folder.iterdir() if path.is_file() and is_micrograph(path) and not content_of(path)]
    except OSError as error:
        raise TemsegError(f"{folder}: cannot be listed ({error.strerror}); check that you may read it.") from error
    found = sorted(path for path in files if not _described(path, files))
    if not found:
        raise TemsegError(f"{folder}: the folder holds no micrographs ({', '.join(EXTENSIONS)}); name another folder, or files.")
    return found


def _described(path: Path, files: Sequence[Path]) -> bool:
    """Whether this is the .emi that describes .ser files beside it: their pixels would be counted twice."""
    if path.suffix.lower() != ".emi":
        return False
    return any(other.suffix.lower() == ".ser" and other.stem.rpartition("_")[0] == path.stem for other in files)


def unique_names(paths: Sequence[Path]) -> list[str]:
    """A name each for tables and files: the stem, with extension, folder or number added where stems repeat (whatever their case)."""
    names = [path.stem for path in paths]
    longer = [
        [f"{path.stem}_{path.suffix[1:].lower()}" for path in paths],
        [f"{path.resolve().parent.name}_{path.stem}" for path in paths],
        [f"{path.resolve().parent.name}_{path.stem}_{path.suffix[1:].lower()}" for path in paths],
    ]
    for candidates in longer:
        count = Counter(name.casefold() for name in names)
        if max(count.values(), default=0) <= 1:
            return names
        merged = [candidates[i] if count[name.casefold()] > 1 else name for i, name in enumerate(names)]
        names = merged if len({name.casefold() for name in merged}) > len(count) else names
    taken: set[str] = set()
    for index, name in enumerate(names):
        number = 1
        while names[index].casefold() in taken:
            number += 1
            names[index] = f"{name}_{number}"
        taken.add(names[index].casefold())
    return names
