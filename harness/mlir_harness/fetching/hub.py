"""Files of the Hugging Face hub, at one revision, through its own library: bytes, never code."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mlir_harness import files
from mlir_harness.errors import FetchError, HarnessError, Unreached
from mlir_harness.fetching.download import ROOM, Watcher, check_size
from mlir_harness.fetching.web import Web
from mlir_harness.text import described, plain

SCHEME = "hf://"
_ADDRESS = re.compile(r"hf://(?:(datasets)/)?([\w.-]+/[\w.-]+)@([^/@]+)/(.+)")
_KINDS = {"datasets", "models", "spaces"}  # no owner has such a name
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Address:
    """A file of the hub.

    Attributes:
        repository: OWNER/NAME.
        revision: a commit, or a tag.
        path: inside the repository.
        kind: "dataset" or "model".
    """

    repository: str
    revision: str
    path: str
    kind: str


def parse(url: str) -> Address:
    """What `url` names; raises FetchError if it is no such address."""
    found = _ADDRESS.fullmatch(url)
    upward = found is not None and not {".", "..", ""}.isdisjoint(found[4].split("/"))
    if not found or upward or found[2].partition("/")[0] in _KINDS:
        raise FetchError(
            f"{plain(url)} is no address of a file at one revision",
            "Write hf://OWNER/NAME@REVISION/PATH, or hf://datasets/OWNER/NAME@REVISION/PATH.",
        )
    kind = "dataset" if found[1] else "model"
    return Address(found[2], unquote(found[3]), found[4], kind)


def endpoint() -> str:
    """The hub that is asked: HF_ENDPOINT, or huggingface.co."""
    from huggingface_hub import constants

    return constants.ENDPOINT


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that the library gave.

    Attributes:
        sha256: by which the hub knows its content; "" where it has none (small files).
        cached: it lay in the library's cache, whose files may have been edited.
    """

    sha256: str
    cached: bool


def save(
    url: str,
    target: Path,
    what: str,
    announced: int | None,
    web: Web,
    watcher: Watcher,
    *,
    fresh: bool = False,
) -> Saved:
    """Put the file that `url` names at `target`: from the library's cache, or from the hub.

    What is downloaded is not kept in that cache too: corpora are large. What is in it is copied,
    never linked, since files of a task may be edited. The library keeps the token, and
    honours HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE.

    Args:
        url: hf://…
        target: its folder is made; what was there is replaced.
        what, announced, web, watcher: see download.save.
        fresh: never from the library's cache.

    Raises:
        Unreached: the hub does not answer (it is asked before the library, which waits for long),
            or must not be asked.
        FetchError: the hub refuses, or has no such file.
        StoreError: the disk is full.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    address = parse(url)
    path = None if fresh else try_to_load_from_cache(**_named(address))
    if isinstance(path, str):
        content = Path(path).resolve()
        with files.writing(what, target, ROOM):
            target.parent.mkdir(parents=True, exist_ok=True)
            files.check_room(content.stat().st_size, target.parent, what, ROOM)
            target.unlink(missing_ok=True)
            shutil.copyfile(content, target)
            _sync(target)
        return Saved(_sha256(content.name), cached=True)
    if constants.HF_HUB_OFFLINE:
        raise Unreached(f"{what} is not in the hub's cache, and HF_HUB_OFFLINE is set", "Unset it")
    web.reach(constants.ENDPOINT)
    return _download(address, target, what, announced, watcher, fresh=fresh)


def _download(
    address: Address,
    target: Path,
    what: str,
    announced: int | None,
    watcher: Watcher,
    *,
    fresh: bool,
) -> Saved:
    """The hub's file at `target`.

    The library goes on after a broken connection, but not in another process: what one that was
    killed has left is deleted.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    beside = target.with_name(f"{target.name}.hub")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        known = get_hf_file_metadata(hf_hub_url(**_named(address)))
        check_size(known.size, announced, what)
        with files.writing(what, target, ROOM):
            if known.size is not None:
                files.check_room(known.size, target.parent, what, ROOM)
        watcher.transfer(what, 0, known.size)
        path = hf_hub_download(
            **_named(address),
            local_dir=beside,
            tqdm_class=_reporting(watcher),
            force_download=fresh,
        )
        with files.writing(what, target, ROOM):
            Path(path).replace(target)
            _sync(target)
    except HarnessError:
        raise
    except Exception as error:  # its own, those of its client for HTTP, and of what is below that
        raise _explained(error, address, what) from error
    finally:
        watcher.stop()
        shutil.rmtree(beside, ignore_errors=True)
    return Saved(_sha256(known.etag or ""), cached=False)


def _named(address: Address) -> dict[str, Any]:
    return {
        "repo_id": address.repository,
        "filename": address.path,
        "repo_type": address.kind,
        "revision": address.revision,
    }


def _sha256(etag: str) -> str:
    """The hub's tag of a content, if it is its SHA-256; its cache names files by it."""
    return etag if _SHA256.fullmatch(etag) else ""


def _sync(file: Path) -> None:
    with file.open("rb") as held:
        os.fsync(held.fileno())


def _reporting(watcher: Watcher) -> Any:
    """A progress bar that tells `watcher`, and draws nothing."""
    from huggingface_hub.utils.tqdm import tqdm

    class Reporting(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*args, **(options | {"disable": True}))  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> bool | None:
            watcher.received(int(n or 0))
            return None

    return Reporting


def _explained(error: Exception, address: Address, what: str) -> FetchError:
    from huggingface_hub import errors

    repository = f"{address.kind} {plain(address.repository)}"
    if isinstance(error, errors.GatedRepoError):
        folder = "datasets/" if address.kind == "dataset" else ""
        return FetchError(
            f"{what}: the {repository} is given only to those who accept its terms",
            f"Accept them at {endpoint()}/{folder}{address.repository}, then run: hf auth login",
        )
    return FetchError(
        f"{what} could not be fetched from the {repository}: {described(error)}",
        "Run the command again later; files that are whole are kept.",
    )
