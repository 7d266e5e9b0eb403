"""Latency, memory, int8 against float, peers; the report."""
