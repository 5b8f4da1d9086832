"""What earlier starts left in the folder of a run."""
