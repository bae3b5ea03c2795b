"""Who is speaking: personalities, the prompt they make, their tone, and whether an answer keeps to them."""
