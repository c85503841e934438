"""Models that run on the card."""
