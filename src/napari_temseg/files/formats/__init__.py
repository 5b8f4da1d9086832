"""The formats that are read, a file each; what they give is a `Series` a picture."""
