"""Numbers in, numbers out: no Qt, no napari, no file formats. A file here may import only those listed below it in the layers contract."""
