"""ir_datasets at arm's length: imported late, off the network unless allowed, errors in our words.

It downloads whatever it lacks at first access, from deep inside its readers. All of that goes
through one function that gives it the package requests, and here that function is replaced.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from mlir_harness.errors import DataError, HarnessError, Unavailable

_INSTALL = "pip install 'mlir-harness[irds]'"
_MISSING = object()
_HEAD = 10_000  # documents that stand for all where no file does


class _Refused(BaseException):
    """It would download, or ask for a password; passes by the library's `except Exception`."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def library() -> Any:
    """The package.

    Raises:
        Unavailable: it is not installed, or cannot make its folder.
    """
    try:
        import ir_datasets
    except ImportError as error:
        raise Unavailable(f"ir_datasets cannot be imported: {error}", _INSTALL) from error
    except OSError as error:
        raise Unavailable(
            f"ir_datasets cannot make its folder {error.filename}: {error.strerror}",
            "Name another folder in IR_DATASETS_HOME.",
        ) from error
    return ir_datasets


@contextmanager
def reading(name: str, *, download: bool) -> Iterator[None]:
    """A block in which data set `name` is read, to its end: most readers are lazy.

    Args:
        name: for messages.
        download: the library may fetch what is missing, and says so itself.

    Raises:
        Unavailable: files are missing and may not, or cannot, be downloaded; or a package is.
        DataError: anything else that the library raises.
    """
    said: list[str] = []
    with ExitStack() as stack:
        _listen(stack, said, loud=download)
        _replace(stack, library().util.download, "input", _ask)
        if not download:
            _keep_off_the_network(stack)
        try:
            yield
        except HarnessError:
            raise
        except _Refused as refused:
            raise _refused(name, refused.what, said) from None
        except Exception as error:
            raise _explained(name, error, said) from error


def state(dataset: Any) -> tuple[str, ...]:
    """What changes when the documents of a data set do; to be called in a `reading` block.

    Size and date of the file that the library reads them from, as for files read without it.
    Where it reads several, it tells the first: all of them come of one download, of a known hash.
    Where it tells none, the number of documents and the first ten thousand: small data sets
    whole, and of larger ones enough, since what is published changes with the library's version
    and what someone made is as a rule made anew from its first document on.
    """
    file = _file(dataset)
    if file is None:  # asking for the first document makes the library fetch it
        next(iter(dataset.docs_iter()), None)
        file = _file(dataset)
    if file is not None:
        found = file.stat()
        return (str(file.absolute()), str(found.st_size), str(found.st_mtime_ns))
    content = sha256()
    for record in islice(dataset.docs_iter(), _HEAD):
        content.update(repr(tuple(record)).encode("utf-8", "surrogatepass"))
    return (str(dataset.docs_count()), content.hexdigest())


def _file(dataset: Any) -> Path | None:
    """The file with the documents, if there is one and the library tells which."""
    if not hasattr(dataset, "docs_path"):
        return None
    try:
        path = Path(dataset.docs_path(force=False))
    except (TypeError, AttributeError, NotImplementedError, OSError):  # not all kinds know one
        return None
    return path if path.is_file() else None


def _listen(stack: ExitStack, said: list[str], *, loud: bool) -> None:
    """Collect what the library logs, instructions among it; show it only if `loud`."""

    def keep(record: logging.LogRecord) -> bool:
        said.append(record.getMessage())
        return loud

    logger = logging.getLogger("ir_datasets")
    logger.addFilter(keep)
    stack.callback(logger.removeFilter, keep)


def _keep_off_the_network(stack: ExitStack) -> None:
    def get(*, url: str, **_: Any) -> NoReturn:
        raise _Refused(url)

    requests = SimpleNamespace(
        get=get, exceptions=SimpleNamespace(RequestException=ConnectionError)
    )
    _replace(stack, library().lazy_libs, "requests", lambda: requests)
    bucket = library().util.download.GoogleCloudBucketStream
    _replace(stack, bucket, "stream", lambda stream: get(url=stream.uri))


def _ask(prompt: str = "") -> NoReturn:
    raise _Refused(f"input: {prompt}")


def _replace(stack: ExitStack, owner: Any, name: str, value: Any) -> None:
    """Set an attribute until the stack is left."""
    before = vars(owner).get(name, _MISSING)
    setattr(owner, name, value)
    if before is _MISSING:
        stack.callback(delattr, owner, name)
    else:
        stack.callback(setattr, owner, name, before)


def _refused(name: str, what: str, said: list[str]) -> Unavailable:
    if what.startswith("input: "):
        return Unavailable(f"{name} needs a user name and a password", _short(said))
    size = _size(library().util.DownloadConfig.contents(), what)
    return Unavailable(
        f"{name} is not on this machine: ir_datasets lacks {what}{size}",
        f"Let it be downloaded to {library().util.home_path()} with --download.",
    )


def _size(published: Any, url: str) -> str:
    """How large the library says the file at `url` is."""
    if not isinstance(published, dict):
        return ""
    if published.get("url") == url:
        size = published.get("size_hint")
        return f" ({size / 1e6:,.1f} MB)" if isinstance(size, int | float) else ""
    return next(filter(None, (_size(each, url) for each in published.values())), "")


def _explained(name: str, error: Exception, said: list[str]) -> HarnessError:
    """What the library raised, in our words."""
    failures = error.args[1] if isinstance(error, RuntimeError) and len(error.args) == 2 else []
    cause = failures[-1][1] if failures else error  # of the last of several mirrors
    described = f"{type(cause).__name__}: {cause}"
    page = f"https://ir-datasets.com/{name.partition('/')[0]}.html"
    if isinstance(error, ImportError):
        return Unavailable(f"{name} needs another package: {error}", _INSTALL)
    if type(cause).__module__.startswith("requests"):
        return Unavailable(
            f"{name} could not be downloaded: {_short([described], 200)}",
            "Try again where there is a network; what was fetched is kept.",
        )
    if isinstance(error, OSError) and "does not exist." in str(error):
        return Unavailable(f"{name} must be fetched by hand: {_short([str(error)])}", f"See {page}")
    if isinstance(error, FileNotFoundError) and said:
        return Unavailable(f"{name} must be fetched by hand: {_short(said)}", f"See {page}")
    return DataError(
        f"ir_datasets cannot read {name}: {_short([described])}",
        f"See whether it can alone: ir_datasets export {name} docs",
    )


def _short(said: list[str], limit: int = 400) -> str:
    """The last message on one line, cut to `limit`."""
    message = " ".join(said[-1].split()) if said else ""
    return message if len(message) <= limit else f"{message[: limit - 1]}…"
