"""Discord, over its gateway: one outgoing connection, no public address needed."""
