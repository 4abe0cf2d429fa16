"""Batches of parallel data: monolingual, cross-lingual, and any mixture of the two."""
