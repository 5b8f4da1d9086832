"""From particles to descriptors, and from descriptors to a size distribution with its uncertainty."""
