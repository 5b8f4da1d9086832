"""What of a training is fit to be kept: what strokes speak for, how sure and how large particles may become."""
