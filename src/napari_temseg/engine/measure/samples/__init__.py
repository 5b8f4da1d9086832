"""Samples against one another."""
