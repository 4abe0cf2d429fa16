"""Encoders at work in processes of their own: what crashes there costs one cell, not the run."""
