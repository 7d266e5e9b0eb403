"""The parts of a report: what comes first, the pictures, the images that are shown."""
