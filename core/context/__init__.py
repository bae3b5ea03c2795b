"""What of a conversation goes into the model's context window: estimate, choose, summarise. Pure."""
