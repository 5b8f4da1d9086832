"""Strokes, work and stopped trainings on disk, and their way back."""
