"""The program of a way's own process; it is started as a file and imports nothing of this package."""
