"""Micrographs whose truth is known exactly: shapes, imaging."""
