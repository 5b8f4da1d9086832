"""Options of a run over many pictures: side by side, on a cluster, or as a microscope writes them."""

from __future__ import annotations

import argparse
from typing import Any

_NAMES = ("workers", "scheduler", "watch", "until", "settled")


def add_many_pictures_options(parser: argparse.ArgumentParser) -> None:
    """`--workers`, `--watch` and what belongs to them."""
    group = parser.add_argument_group("Many pictures")
    group.add_argument(
        "--workers",
        default="1",
        metavar="N",
        help="search N pictures at once, each in a process of one thread that holds up to 1 GB (auto: as many as there are cores and "
        "memory suffices for; default 1); the results are the same",
    )
    group.add_argument(
        "--scheduler",
        default="",
        metavar="ADDRESS",
        help="search the pictures on the cluster of a dask scheduler, such as tcp://node17:8786, whose workers see the same folders under "
        "the same names (needs [distributed])",
    )
    group.add_argument(
        "--watch",
        action="store_true",
        help="go on with files as they arrive in the folders, each when it is whole; each tells D50 as it stands and how many more "
        "pictures it takes; Ctrl-C ends it with all results written, the same command goes on",
    )
    group.add_argument(
        "--until",
        type=share,
        metavar="SHARE",
        help="with --watch: end when counting leaves at most so much of D50 open, such as 5%% (95 %%, five pictures at least); the report "
        "says whether this was set before the first picture",
    )
    group.add_argument(
        "--settled",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="with --watch: how long a file stays as it is before it counts as whole (default 5)",
    )


def many_pictures(args: argparse.Namespace) -> dict[str, Any]:
    """What was given, as `iter_run` takes it."""
    return {name: getattr(args, name) for name in _NAMES}


def share(text: str) -> float:
    """What is typed for a share: "5%", "5 %" or 0.05."""
    typed = text.strip()
    try:
        return float(typed.removesuffix("%")) / (100 if typed.endswith("%") else 1)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"“{text}” is no share; give it like 5%") from error
