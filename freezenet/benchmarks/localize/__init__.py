"""A clinic's own rule for a model: temperature, bias and thresholds from its own labelled images, without touching a weight."""
