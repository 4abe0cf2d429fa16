"""An approximate index beside the exact search: what it finds, costs and saves."""
