"""Where the files of a task lie, or will lie once they are fetched."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from mlir_harness.errors import Unavailable
from mlir_harness.fetching.fetched import NAME
from mlir_harness.files import expanded
from mlir_harness.protocols import Download, TaskInfo
from mlir_harness.registry import Choice
from mlir_harness.text import plain, slug

_FOLDER = re.compile(r"\w[\w.:+-]*")


def folder_name(choice: Choice, info: TaskInfo) -> str:
    """The name of a task's data folder: what it says, else its own name."""
    name = info.folder or choice.plugin.name
    return name if _FOLDER.fullmatch(name) else slug(name)


def home(name: str, wanted: Iterable[str], data_dir: str | None, cache: Path) -> Path:
    """The folder of a task's files, which need not exist yet; tasks look in the same order.

    If nothing is given: the first that holds all the files, else some, else that is there.

    Args:
        name: of the folder.
        wanted: paths of the files that the task reads, below it.
        data_dir: given by a person: it holds a folder of that name, or the files themselves.
        cache: where files lie if nothing is given, and MLIR_HARNESS_DATA has none.
    """
    wanted = tuple(wanted)
    if data_dir is not None:
        given = expanded(data_dir)
        filled = any((given / path).exists() for path in (NAME, *wanted))
        return given if filled and not (given / name).is_dir() else given / name
    elsewhere = os.environ.get("MLIR_HARNESS_DATA")
    own = [*([expanded(elsewhere) / name] if elsewhere else []), cache / "data" / name]
    there = [one for one in own if one.is_dir()]
    for enough in (all, any):
        for one in there:
            if enough((one / path).is_file() for path in wanted):
                return one
    return there[0] if there else own[-1]


def paths(download: Download) -> dict[str, str]:
    """Path below the task's folder -> the member of an archive it is made from, "" for none.

    Raises:
        Unavailable: a path leads out of the folder, or to a file of the harness.
    """
    if download.members is None:
        found = {download.path: ""}
    else:
        below = f"{download.path}/" if download.path else ""
        found = {f"{below}{path}": member for member, path in download.members.items()}
        if len(found) < len(download.members):
            raise _unfit("two members of one path", download)
    for path in found:
        parts = PurePosixPath(path).parts
        wrong = (
            not parts
            or ".." in parts
            or path.startswith(("/", "."))
            or path == NAME
            or any(character in path for character in "\\\0")
        )
        if wrong:
            raise _unfit(f"the path {plain(path)!r}", download)
    return found


def _unfit(what: str, download: Download) -> Unavailable:
    return Unavailable(
        f"{plain(download.url)} is to be kept under {what}, which will not do",
        "Its plugin must name files below the task's own folder (Download.path, members).",
    )
