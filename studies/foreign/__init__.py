"""Classifiers that freezenet did not write: one made here with plain Keras, and one that somebody else trained and packaged."""
