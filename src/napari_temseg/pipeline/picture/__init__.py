"""One picture from pixels to what is committed of it: a plane at a time, and a large plane piece by piece."""
