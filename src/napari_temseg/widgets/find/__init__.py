"""Step 2: find particles and separate those that touch."""
