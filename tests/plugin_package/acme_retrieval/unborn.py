"""A module that needs another one, which nobody has."""

import acme_engine  # noqa: F401  # type: ignore[import-not-found]
