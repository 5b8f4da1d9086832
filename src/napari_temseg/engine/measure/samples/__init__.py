"""One sample against another, and two populations in one sample."""
