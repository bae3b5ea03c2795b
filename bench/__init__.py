"""Side-by-side measurements: the hub, and what the same work costs without it."""
