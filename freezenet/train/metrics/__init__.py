"""Figures of a classifier with their 95 % intervals."""
