"""Why a particle is left out of the distribution: the reasons to choose from; & stands before the key of each in the menu."""

REASONS = ("&overlapping", "out of &focus", "&cut off", "&not a particle", "&damaged")
