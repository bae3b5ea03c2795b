"""The rooms of the assistant: what the model is told, how its answer is taken in, and the tools it has."""
