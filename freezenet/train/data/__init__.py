"""DATA: which images there are, what is wrong with them, how they are split."""
