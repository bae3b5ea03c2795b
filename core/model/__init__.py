"""The language model: one port, a client for every compatible server, a chain of fallbacks, tools."""
