"""The only code that knows threads: one long job and one preview at a time."""
