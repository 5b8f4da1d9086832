"""`temseg`, the command line: each subcommand a thin call of the public API. Importing it loads nothing heavy."""

from napari_temseg.cli.main import main

__all__ = ["main"]
