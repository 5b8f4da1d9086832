"""What is open in one viewer, and the signals when any of it changes."""
