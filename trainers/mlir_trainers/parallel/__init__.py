"""Parallel questions and passages: rows with the same content in several languages."""
