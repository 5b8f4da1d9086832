"""Answers to strokes without training, drafts, and where to annotate next."""
