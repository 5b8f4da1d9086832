"""Step 4: correct, exclude and review particles; their table and distribution."""
