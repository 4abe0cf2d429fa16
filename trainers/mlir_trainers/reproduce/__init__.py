"""The claims of arXiv 2408.10536, put to the test on one's own data."""
