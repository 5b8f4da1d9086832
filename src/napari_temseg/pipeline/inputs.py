"""Which micrographs a run is about, and what each is called in tables and file names."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import STEM_BYTES, printable, short
from napari_temseg.files.formats.tiff import content_of
from napari_temseg.files.own_figures import is_own_figure
from napari_temseg.files.readers import EXTENSIONS, FOLDERS, checked_path, is_micrograph
from napari_temseg.pipeline.older_results import OLDER
from napari_temseg.pipeline.run_folder import FIGURES, SET, STATE, UNFINISHED

LABELS = ("_classes.tif", "_particles.tif", "_rois.zip", "_results.csv")  # what the files of a picture's result end in

OWN_FIGURES = "own figures"  # reason for passing over what the window saved of a plot or a view


@dataclass(frozen=True)
class Inputs:
    """Micrographs, each once; by input, why one gives nothing; and how many things in folders were passed over, by reason."""

    paths: list[Path] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)

    def note(self) -> str:
        """What was passed over in a sentence, or ""."""
        if not self.skipped:
            return ""
        parts = [f"{n} {kind if n > 1 else kind.removesuffix('s')}" for kind, n in sorted(self.skipped.items())]
        more = "; --recursive searches sub-folders too" if self.skipped["sub-folders"] else ""
        return f"Left out of the folders: {', '.join(parts)}{more}."


def collect(inputs: Sequence[str | Path]) -> tuple[list[Path], dict[str, str]]:
    """Files as given and the micrographs of folders (sorted, not their sub-folders, not our own results), each once.

    Of a folder's .emi and the .ser files that hold its pixels, the latter are taken. Returns the paths and, by input,
    why one gives nothing. `TemsegError` when no input is named.
    """
    found = gather(inputs)
    return found.paths, found.failures


def gather(inputs: Sequence[str | Path], *, recursive: bool = False) -> Inputs:
    """As `collect`, with `recursive` of sub-folders too, and with what was passed over. Hidden files are left alone, links not followed."""
    if not inputs:
        raise TemsegError("No micrograph is named: give files or folders.")
    paths: dict[Path, Path] = {}
    found = Inputs()
    for entry in map(Path, inputs):
        try:
            each = _micrographs(entry, recursive, found.skipped) if _is_searched(entry) else [_named(entry)]
        except TemsegError as error:
            found.failures[str(entry)] = str(error)
            continue
        except OSError as error:  # a name that no file can have
            found.failures[str(entry)] = f"{entry}: cannot be opened ({error.strerror or error}); check the name."
            continue
        for path in each:
            paths.setdefault(path.resolve(), path)
    found.paths.extend(paths.values())
    return found


def _named(path: Path) -> Path:
    """A file that was named; `TemsegError` where it cannot be read, or is a figure of ours."""
    path = checked_path(path)
    if is_own_figure(path):
        raise TemsegError(f"{path}: is a figure that this program drew of a micrograph, not a micrograph; name the micrograph itself.")
    return path


def _micrographs(folder: Path, recursive: bool, skipped: Counter[str]) -> list[Path]:
    found: list[Path] = []
    inner = Counter[str]()
    try:
        for place, folders, names in os.walk(folder, onerror=_raise):
            found += _in_folder(Path(place), names, inner)
            found += [Path(place, name) for name in sorted(folders) if is_micrograph(Path(name)) and not _is_searched(Path(place, name))]
            folders[:] = sorted(_entered(Path(place), folders, recursive, inner))
    except OSError as error:
        where = error.filename or folder
        raise TemsegError(f"{where}: cannot be listed ({error.strerror}); check that you may read it.") from error
    if not found:
        deeper = ", or search its sub-folders with --recursive" if inner["sub-folders"] else ""
        raise TemsegError(f"{folder}: the folder holds no micrographs ({', '.join(EXTENSIONS)}); name another folder, or files{deeper}.")
    skipped.update(inner)
    return found


def _is_searched(path: Path) -> bool:
    """Whether this is a folder of pictures, and not one that is a picture itself."""
    return path.is_dir() and path.suffix.lower() not in FOLDERS


def _raise(error: OSError) -> None:
    raise error


def _in_folder(place: Path, names: Sequence[str], skipped: Counter[str]) -> list[Path]:
    """The micrographs among the files of one folder, and the number of those that are none."""
    files = [place / name for name in sorted(names) if not name.startswith(".")]
    pictures = [path for path in files if is_micrograph(path) and path.is_file()]
    own = (*SET, UNFINISHED) if (place / STATE).is_dir() else ()
    others = len([path for path in files if path not in set(pictures) and path.name not in own])
    if others:
        skipped["other files"] += others
    figures = {path for path in pictures if is_own_figure(path)}
    if figures:
        skipped[OWN_FIGURES] += len(figures)
    return [path for path in pictures if path not in figures and not content_of(path) and not _described(path, files)]


def _entered(place: Path, folders: Sequence[str], recursive: bool, skipped: Counter[str]) -> list[str]:
    """The sub-folders that are searched; results of runs are neither searched nor counted where nobody asked for sub-folders."""
    own = (place / STATE).is_dir()
    inner = [name for name in folders if not name.startswith(".") and not (own and name in (OLDER, FIGURES)) and _is_searched(place / name)]
    links = [name for name in inner if (place / name).is_symlink()]
    others = [name for name in inner if name not in links and not (place / name / STATE).is_dir()]
    if links:
        skipped["linked folders"] += len(links)
    if others and not recursive:
        skipped["sub-folders"] += len(others)
    return [name for name in inner if name not in links] if recursive else []


def _described(path: Path, files: Sequence[Path]) -> bool:
    """Whether this is the .emi that describes .ser files beside it: their pixels would be counted twice."""
    if path.suffix.lower() != ".emi":
        return False
    return any(other.suffix.lower() == ".ser" and other.stem.rpartition("_")[0] == path.stem for other in files)


def output_names(paths: Sequence[Path], output: Path) -> list[str]:
    """As `unique_names`, and so that no file of a result takes the place of one of the micrographs when these lie in `output`."""
    folder = output.resolve()
    taken = {path.name.casefold() for path in paths if path.resolve().parent == folder}
    names = unique_names(paths)
    used = {name.casefold() for name in names}
    for index, name in enumerate(names):
        number = 1
        while any(f"{names[index]}{end}".casefold() in taken for end in LABELS) or (number > 1 and names[index].casefold() in used):
            number += 1
            names[index] = f"{name}_{number}"
        used.add(names[index].casefold())
    return names


def further_name(path: Path, names: Sequence[str], output: Path) -> str:
    """The name of one more picture, where others have theirs and keep them."""
    used = {name.casefold() for name in names}
    (wanted,) = output_names([path], output)
    with_end = _clean(f"{path.stem}_{path.suffix[1:].lower()}")
    return next(name for name in (wanted, with_end, *(f"{wanted}_{n}" for n in range(2, len(names) + 3))) if name.casefold() not in used)


def unique_names(paths: Sequence[Path]) -> list[str]:
    """A name each for tables and files: the stem, with extension, folder or number added where stems repeat (whatever their case).

    Bytes that are no UTF-8, and line ends and the like, are written like %E4, long names cut and told apart by a hash.
    """
    names = [_clean(path.stem) for path in paths]
    longer = [
        [_clean(f"{path.stem}_{path.suffix[1:].lower()}") for path in paths],
        [_clean(f"{path.resolve().parent.name}_{path.stem}") for path in paths],
        [_clean(f"{path.resolve().parent.name}_{path.stem}_{path.suffix[1:].lower()}") for path in paths],
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


def _clean(name: str) -> str:
    plain = "".join(f"%{ord(letter):02X}" if unicodedata.category(letter) == "Cc" else letter for letter in printable(name))
    return short(plain, STEM_BYTES)
