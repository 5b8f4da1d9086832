"""The audit in the window: particles measured blind and judged, fields searched, kept by the content of the pictures."""
