"""The only code that reads or writes napari's layers."""
