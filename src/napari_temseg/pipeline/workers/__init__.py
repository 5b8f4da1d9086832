"""Pictures of a run one after another, side by side in processes, or on a cluster: the same function of one picture."""
