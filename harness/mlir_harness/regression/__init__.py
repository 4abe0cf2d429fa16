"""Scores against a committed baseline: what fell, what is noise, and what cannot be compared."""
