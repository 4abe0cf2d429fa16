"""Tasks, runs and scores in the formats of papers and other tools."""
