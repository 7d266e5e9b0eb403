"""The last layer of a model, its head, fitted to a clinic's own images."""
