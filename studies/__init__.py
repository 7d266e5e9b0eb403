"""What the figures of the documentation come from: run from a clone as `python -m studies.NAME`; never installed."""
