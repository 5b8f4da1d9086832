"""Forms from settings, plots, style: they know no session."""
