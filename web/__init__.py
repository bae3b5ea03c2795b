"""Pages for people: what the one web server shows in a browser."""
