"""Where particles are cut: basins of a landscape and the dents between them, and between centres that a person points at."""
