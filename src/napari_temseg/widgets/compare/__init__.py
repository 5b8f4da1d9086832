"""Results against a truth, side by side."""
