"""Annotation layers: made, painted, filled, counted."""
