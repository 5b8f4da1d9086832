"""Formats whose libraries are extras: Zarr, and what rosettasciio reads."""
