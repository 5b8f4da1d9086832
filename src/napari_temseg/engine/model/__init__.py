"""A network that knows its classes, its scales and its training, and what it says of a micrograph."""
