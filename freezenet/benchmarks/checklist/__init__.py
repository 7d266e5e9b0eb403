"""Reporting checklists, filled with what a run of the pipeline knows."""
