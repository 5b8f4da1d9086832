"""Qt and napari; named only by the manifest and, lazily, by `temseg gui`."""
