"""What was screened, in figures: counts, shares, drift against the card, a worklist, one page."""
