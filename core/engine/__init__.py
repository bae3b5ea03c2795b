"""The durable inbox on the Redis protocol, and the store it lives in."""
