"""How models that freezenet did not write see an image."""
