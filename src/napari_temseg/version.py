"""The version of the package, for those below the package itself, which imports what they hold."""

__version__ = "0.1.0"
