"""What one image may take of the machine: work, memory, time, and a process of its own where its header does not tell."""
