"""Comparison of encoders query by query: tests, intervals, and what they are shown as."""
