"""The science: numpy, torch, scikit-image and scikit-learn; never Qt, napari or a file format."""
