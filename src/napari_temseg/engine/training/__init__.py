"""From annotations to a model that is never worse than the one it started from."""
