"""The recipes that come with the package, one per model."""
