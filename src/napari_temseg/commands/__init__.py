"""The subcommands of `temseg`, each a thin call of the public API. Importing them loads nothing heavy."""
