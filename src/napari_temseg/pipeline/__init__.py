"""Many images: folders, resume, report."""
