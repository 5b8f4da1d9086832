"""Tools that the mouse holds over the picture, until Esc."""
