"""Size and shape of every particle of a plane, from its pixels and its place among the others."""
