"""Bytes on disk ↔ engine types."""
