"""Step 3: paint where the model is wrong, and train it."""
