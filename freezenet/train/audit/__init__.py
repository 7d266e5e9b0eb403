"""What a network could cheat with: what of the answer remains when the lungs, the middle or the whole picture are taken away."""
