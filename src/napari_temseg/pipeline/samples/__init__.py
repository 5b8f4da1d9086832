"""Samples of a run: settings that they share, each by itself, one against another."""
