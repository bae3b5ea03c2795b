"""How it is said: the vocabulary, the ports and the way of one message. Knows no platform."""
