"""Errors a user can act on."""


class TemsegError(ValueError):
    """One sentence that names the file or layer, the trouble and the remedy; shown as it is, without a traceback."""


class Cancelled(Exception):
    """The job was cancelled: there is no result."""
