"""Damaged files, long load, kills: what the runtime must survive."""
