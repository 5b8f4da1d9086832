"""A folder into which a microscope writes: files that are whole, and a rule for when there are enough of them."""
