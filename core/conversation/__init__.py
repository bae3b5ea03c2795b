"""What belongs to one conversation, what is remembered of it, and what of that a model gets to read."""
