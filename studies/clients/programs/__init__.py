"""Programs that run inside a client's own environment; each is started as a file and imports nothing of this package."""
