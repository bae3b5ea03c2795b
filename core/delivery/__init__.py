"""How an answer reaches its place: split, staged, paced, sent, and taken up again after a crash."""
