"""From a prediction to separate particles, their corrections by hand, and how good they are."""
