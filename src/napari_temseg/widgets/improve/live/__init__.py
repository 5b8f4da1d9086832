"""Answers while strokes are painted, and where the next one teaches most."""
