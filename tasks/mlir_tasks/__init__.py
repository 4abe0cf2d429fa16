"""Task plugins that come with the harness, registered like anybody's."""
