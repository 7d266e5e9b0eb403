"""What the command measures: accuracy, int8 against float32, latency and memory; the report."""
