"""From an image file to the network's input: the one preprocessing."""
