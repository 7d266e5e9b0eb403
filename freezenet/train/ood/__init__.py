"""The OOD gate: is this a chest X-ray at all?"""
