"""Reporting checklists, filled with what a run of the pipeline knows."""

STANDARDS = ("claim-2024", "tripod-ai", "model-card", "pccp")
