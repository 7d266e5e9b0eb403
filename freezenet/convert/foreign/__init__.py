"""Models that freezenet did not write: what they expect, what their scores mean, and how they come to answer like ours."""
