"""What a search leaves with a micrograph: its results, the layers that show them, and the way back."""
