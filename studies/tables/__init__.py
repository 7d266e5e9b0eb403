"""Writers of the documentation's tables, from the files in results/: one module for each page."""
