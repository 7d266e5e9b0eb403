"""`freezenet screen`: an archive of 10^5 to 10^7 files as Parquet, on one machine or a Ray cluster; needs the extra `[screen]`."""
