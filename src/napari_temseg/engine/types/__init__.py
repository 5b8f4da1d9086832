"""What travels: micrograph, annotations, prediction, particles, settings, progress, errors."""
