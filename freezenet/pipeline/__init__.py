"""All of it in one command: train, convert, compare, benchmark, report."""
