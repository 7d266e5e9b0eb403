"""Writers of the tables in the documentation, from the files in results/."""
