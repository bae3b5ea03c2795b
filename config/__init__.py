"""What an admin edits, and how it becomes settings: read, checked, compared, watched."""
