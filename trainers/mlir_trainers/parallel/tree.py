"""Values of a JSON file that know where they stand, so that errors can say it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlir_harness.errors import DataError
from mlir_trainers.parallel.reading import kind, lines, parsed


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its path in the file, such as data[3].paragraphs[0].context."""

    file: Path
    path: str
    value: object

    def error(self, problem: str) -> DataError:
        """What is wrong with this value; an absent one is "missing"."""
        place = f"{self.file}: {self.path}" if self.path else str(self.file)
        return DataError(f"{place}: {problem}", "Mend the file, or copy it again.")

    def member(self, key: str) -> Node:
        """Raises: DataError: this is no object, or has no such member."""
        if not isinstance(self.value, dict):
            raise self.error(f"expected an object, found {kind(self.value)}")
        path = f"{self.path}.{key}" if self.path else key
        if key not in self.value:
            raise Node(self.file, path, None).error("missing")
        return Node(self.file, path, self.value[key])

    def items(self) -> Iterator[Node]:
        """Raises: DataError: this is no list."""
        if not isinstance(self.value, list):
            raise self.error(f"expected a list, found {kind(self.value)}")
        for number, value in enumerate(self.value):
            yield Node(self.file, f"{self.path}[{number}]", value)

    def text(self) -> str:
        """Raises: DataError: this is no string."""
        if not isinstance(self.value, str):
            raise self.error(f"expected a string, found {kind(self.value)}")
        return self.value

    def whole(self) -> int:
        """Raises: DataError: this is no whole number."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.error(f"expected a whole number, found {kind(self.value)}")
        return self.value


def root(file: Path) -> Node:
    """The value of a whole JSON file.

    Raises:
        DataError: it cannot be read, or is malformed.
    """
    return Node(file, "", parsed("\n".join(lines(file)), file))
