"""What is kept of conversations: in SQL, filled in batches behind the back of the hub."""
