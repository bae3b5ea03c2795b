"""How much may be said and spent: messages in a window, money in a day, and what a user has used of both."""
