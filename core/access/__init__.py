"""Who is answered in a channel: everybody, those on a list, or those whom an admin let in."""
