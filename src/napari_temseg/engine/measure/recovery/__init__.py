"""Particles of known size that were put into a picture, and which of them were found."""
