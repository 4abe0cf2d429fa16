"""A modular evaluation harness for multilingual information retrieval."""
