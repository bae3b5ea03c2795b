"""The platforms themselves, played on loopback for tests, `bench` and the playground."""
