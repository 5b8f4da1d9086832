"""The audit of a run by hand: a gallery to be answered, the answers, and what they say."""
