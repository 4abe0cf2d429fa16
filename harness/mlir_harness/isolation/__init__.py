"""Encoders in processes, and with packages, of their own."""
