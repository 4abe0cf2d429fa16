"""uv at work: it makes virtual environments, and says in few words why it could not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mlir_harness.errors import Unavailable
from mlir_harness.text import plain

# Of the caller's own environment, and of projects: not meant for environments of encoders.
_NOT_PASSED = (
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_BREAK_SYSTEM_PACKAGES",
    "UV_PROJECT",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "VIRTUAL_ENV",
)
# A silent server is given up after this many seconds, unless the user says otherwise.
_PATIENCE = {"UV_HTTP_TIMEOUT": "30", "UV_HTTP_CONNECT_TIMEOUT": "10", "UV_HTTP_RETRIES": "2"}
_LONGEST = 400  # characters of a reason
_MOST_CAUSES = 3
_DOWNLOADING = re.compile(r"Downloading (\S+) \(([\d.]+)\s?(\w+)\)")
_DRAWN = re.compile(r"^[\s×╭╰├│┌└─▶·]+")
_CAUSE = re.compile(r"^(error|cause|caused by):\s*", re.IGNORECASE)
_QUOTED = re.compile(r"\d*\s*\|.*|\^+")  # a line of the file that has a mistake in it, and where
_PACKAGE = re.compile(r"[\w.-]+(==| @ ).+")
_NETWORK = ("failed to fetch", "request failed", "error sending request", "failed to download")


def find() -> Path:
    """The uv that is installed beside the harness, else the one on PATH.

    Raises:
        Unavailable: there is none.
    """
    try:
        import uv

        return Path(uv.find_uv_bin())
    except (ImportError, OSError):  # no such package; its program is gone
        found = shutil.which("uv")
    if found is None:
        raise Unavailable(
            "an environment of its own is needed, and uv, which builds it, is not installed",
            "pip install 'mlir-harness[isolated]'",
        )
    return Path(found)


def install(uv: Path, script: Path, python: str, venv: Path, told: Callable[[str], None]) -> None:
    """Make the virtual environment `venv` with what `script` declares.

    Args:
        uv: the program.
        script: a file with inline metadata (PEP 723).
        python: the version of the interpreter, which uv fetches where there is none.
        venv: the folder to make.
        told: called with what is downloaded, and how large it is, as soon as it begins.

    Raises:
        Unavailable: it cannot be made; says why. What was made of it is left.
    """
    _run(uv, ["venv", "--no-project", "--python", python, str(venv)], told)
    into = ["--python", str(interpreter(venv))]
    _run(uv, ["pip", "install", *into, "-r", str(script)], told)


def packages(uv: Path, venv: Path) -> list[str]:
    """What is installed in `venv`: "torch==1.13.1", sorted.

    Raises:
        Unavailable: nothing is, since this uv is too old to read inline metadata.
    """
    into = ["--python", str(interpreter(venv))]
    printed = _run(uv, ["pip", "freeze", *into], lambda _: None)
    found = sorted(filter(_PACKAGE.fullmatch, printed))
    if not found:
        raise Unavailable(
            f"{uv} is too old: it does not read what a script declares", "pip install -U uv"
        )
    return found


def interpreter(venv: Path) -> Path:
    """The Python of a virtual environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _run(uv: Path, arguments: Sequence[str], told: Callable[[str], None]) -> list[str]:
    """Run uv; the lines it printed. All paths are absolute."""
    try:
        process = subprocess.Popen(  # noqa: S603  uv itself, and no shell
            [str(uv), "--color", "never", *arguments],
            cwd=uv.absolute().anchor,  # it takes settings from projects above its folder
            env=_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise Unavailable(
            f"{uv} cannot be started: {error.strerror or error}", "pip install --force-reinstall uv"
        ) from error
    lines: list[str] = []
    with process:
        assert process.stdout is not None  # noqa: S101  it is a pipe
        try:
            for line in process.stdout:
                lines.append(line.rstrip())
                if began := _DOWNLOADING.match(line.strip()):
                    told(f"downloading {began[1]} ({began[2]} {began[3]})")
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise Unavailable(*explained(lines, process.returncode, os.environ))
    return lines


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """uv's own settings (UV_…) reach it; those of the environment that we run in do not."""
    return _PATIENCE | {name: value for name, value in given.items() if name not in _NOT_PASSED}


def explained(lines: Sequence[str], code: int, environment: Mapping[str, str]) -> tuple[str, str]:
    """Why uv failed, in one sentence or two, and what to do about it.

    Args:
        lines: what it printed.
        code: its exit status.
        environment: the variables it was given.
    """
    causes = list(_causes(lines))
    if len(causes) > _MOST_CAUSES:
        causes = [*causes[: _MOST_CAUSES - 1], causes[-1]]
    if not causes:
        ended = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
        causes = [f"uv {ended}", *[line.strip() for line in lines if line.strip()][-1:]]
    reason = plain(": ".join(causes), _LONGEST)
    said = reason.lower()
    if environment.get("UV_OFFLINE", "").lower() in {"1", "true", "yes"}:
        hint = "UV_OFFLINE keeps uv from downloading: unset it."
    elif any(words in said for words in _NETWORK):
        hint = (
            "Run again with a network. For a mirror set UV_DEFAULT_INDEX: uv does not read "
            "the settings of pip."
        )
    elif "no interpreter found" in said:
        hint = "Install that Python, or let uv do it: uv python install VERSION."
    elif "no space left" in said:
        hint = "Free some space, or name another folder with --cache-dir (and UV_CACHE_DIR)."
    else:
        hint = "Mend what the encoder requires; UV_DEFAULT_INDEX and UV_FIND_LINKS name sources."
    return reason, hint


def _causes(lines: Sequence[str]) -> Iterator[str]:
    """The error of uv and its causes, from the outermost to the last line of a failed build.

    Progress, warnings and uv's own hints, which speak of its command line, are left out.
    """
    cause: list[str] = []
    log: str | None = None
    begun = False  # warnings, which come before, have causes too
    for line in lines:
        words = _DRAWN.sub("", line).strip()
        drawn = line.lstrip().startswith(("×", "╰─▶", "├─▶"))
        begun = begun or drawn or words.startswith("error:")
        if not begun:
            continue
        if words.startswith("hint:"):
            break
        if drawn or _CAUSE.match(words):
            if cause:
                yield " ".join(cause)
            cause = [_CAUSE.sub("", words).rstrip(":")]
        elif words in {"[stdout]", "[stderr]"}:
            log = ""
        elif log is not None:
            log = words or log
        elif cause and words and not _QUOTED.fullmatch(words):
            cause.append(words)
    if cause:
        yield " ".join(cause)
    if log:
        yield log
