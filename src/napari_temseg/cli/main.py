"""`temseg`, the command line.

Exit codes: 0 done; 2 a bad request, said in one line; 1 a failure half-way, a full disk or Ctrl-C, with everything finished so far kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from napari_temseg.cli import analyse, auditing, calibrations, console, learn, scoring, tools
from napari_temseg.cli.console import logger
from napari_temseg.cli.options import Parser, by_standard
from napari_temseg.engine.types.errors import Cancelled, TemsegError
from napari_temseg.version import __version__

_EPILOG = "Each command has its own --help. Nothing leaves this computer."


def parser() -> Parser:
    """The whole command line."""
    top = Parser(prog="temseg", description="From an electron micrograph to a particle-size distribution, offline.", epilog=_EPILOG)
    top.add_argument("--version", action="version", version=f"napari-temseg {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (
        *analyse.ANALYSIS_COMMANDS,
        *learn.LEARNING_COMMANDS,
        scoring.add_evaluate,
        auditing.add_audit,
        calibrations.add_calibrations,
        *tools.TOOL_COMMANDS,
    ):
        add(commands).add_argument("--json", action="store_true", help="print the result on standard output as JSON")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    with console.logging_to_file():
        try:
            args = parser().parse_args(argv)
            by_standard(args)
            code: int = args.function(args)
        except SystemExit as leave:  # --help and --version
            return int(leave.code or 0)
        except TemsegError as error:
            from napari_temseg.files.atomic import is_full  # numpy with it

            console.complain(str(error))
            return 1 if is_full(error) else 2
        except (Cancelled, KeyboardInterrupt):
            console.complain("stopped; what was finished before is kept.")
            return 1
        except Exception as error:  # noqa: BLE001  the last resort: to the log with it
            logger.exception("unexpected error")
            console.complain(f"an unexpected error ({type(error).__name__}: {error}); its details are in {console.log_path()}.")
            return 1
    return code
