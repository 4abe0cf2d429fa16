"""What transformers says while it loads a model: kept from the display, and listened to."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# Its output is read by no module of sentence-transformers, and published weights often lack it.
_UNREAD = "pooler."


@contextmanager
def listening() -> Iterator[list[str]]:
    """No progress bars and no report of loading; yields the weights that turn out to be missing.

    Those are made up at random by transformers, which only its report tells.
    """
    from transformers.utils import logging as theirs

    report = _Report()
    logger = logging.getLogger("transformers.modeling_utils")
    shown = theirs.is_progress_bar_enabled()
    theirs.disable_progress_bar()  # type: ignore[no-untyped-call]
    logger.addFilter(report)
    try:
        yield report.missing
    finally:
        logger.removeFilter(report)
        if shown:
            theirs.enable_progress_bar()  # type: ignore[no-untyped-call]


class _Report(logging.Filter):
    """Holds back reports of loading, and notes what they call missing."""

    def __init__(self) -> None:
        super().__init__()
        self.missing: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if "LOAD REPORT" not in said:
            return True
        rows = [line.split("|") for line in said.splitlines() if line.count("|") > 1]
        names = [row[0].strip() for row in rows if "MISSING" in row[1]]
        self.missing += [name for name in names if _UNREAD not in name]
        return False
