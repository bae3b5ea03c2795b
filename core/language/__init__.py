"""Which language a user speaks, and the hub's own sentences in it."""
