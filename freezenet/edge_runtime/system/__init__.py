"""The machine underneath: processes, streams, logging, and what is written into a figure about it."""
