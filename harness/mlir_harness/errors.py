"""The errors a person can cause, each with what to do about it, and the exit codes."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line. Where several hold: 130 > 2 > 1 > 5 > 4 > 3."""

    OK = 0
    CHECK_FAILED = 1
    USAGE = 2
    SOME_FAILED = 3
    NOTHING_RAN = 4
    INCOMPARABLE = 5
    INTERRUPTED = 130


class HarnessError(Exception):
    """Something a person can mend: `message` says what and why, `hint` what to do."""

    exit_code: Exit = Exit.SOME_FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[HarnessError], tuple[str, str]]:
        return type(self), (self.message, self.hint)


class UsageError(HarnessError):
    """The command cannot be carried out as it was given (unknown name, bad option)."""

    exit_code = Exit.USAGE


class UnknownName(UsageError):
    """No encoder, or no task, has the name that was given."""


class DataError(HarnessError):
    """A task's files are missing or malformed; the message names the file and the place."""


class Missing(DataError):
    """Files of a task are not where they should be; fetching them may help."""


class Unavailable(HarnessError):
    """An encoder or task is known but cannot run here; the hint is the mending command."""


class Broken(Unavailable):
    """A plugin that cannot be loaded, or makes something else than it should; mended in its code.

    The harness raises it, not the plugin, which raises `Unavailable` for what a machine lacks.
    """


class Refused(Unavailable):
    """A plugin does not do what general options ask of it (a precision, say), whatever is there."""


class FetchError(HarnessError):
    """A file cannot be downloaded, or what came is not what was announced."""


class Unreached(FetchError):
    """A server did not answer: no network, no such host, or it took too long."""


class EncoderError(HarnessError):
    """An encoder broke its contract (shape, finite values, exceptions)."""

    def __init__(
        self, message: str, hint: str = "Its contract: mlir_harness.protocols.Encoder."
    ) -> None:
        super().__init__(message, hint)


class StoreError(HarnessError):
    """Results or cached vectors cannot be written or read."""


class IncomparableError(HarnessError):
    """Scores that may not be compared: of other data, queries, settings or measures."""

    exit_code = Exit.INCOMPARABLE


class RecordError(HarnessError):
    """A record of training texts cannot be read."""
