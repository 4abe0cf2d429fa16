"""A third-party plugin package."""
