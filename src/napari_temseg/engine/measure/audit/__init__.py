"""Audits by hand: which particles and fields are looked at, and what the answers say of the result."""
