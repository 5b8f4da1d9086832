"""Step 1: what is open, at which pixel size, and what is left out."""
