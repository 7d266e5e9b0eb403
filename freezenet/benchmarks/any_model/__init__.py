"""Model files of any maker on the same images: how they are opened, which images they are judged on, and how they compare."""
