"""Requests over the network: redirects to https only, and an answer or an error within seconds.

urllib rather than a client library: it is always there, it takes the proxies and certificates
of the system, and resuming needs nothing more. What it lacks is added here: no redirect away from
https, and a limit on name look-ups, which have no timeout of their own.
"""

from __future__ import annotations

import http.client
import ipaddress
import ssl
import string
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from mlir_harness.errors import FetchError, Unreached
from mlir_harness.text import described, plain

FIRST_ANSWER = 3.0  # seconds; with the program's start this stays below five
_HOPS = 8
_REDIRECTS = {301, 302, 303, 307, 308}


class Broken(Exception):
    """A host that had answered fails, in a way that may pass; it asks for `wait` seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def _opener() -> urllib.request.OpenerDirector:
    """Speaks http and https through the system's proxies: no file:, no ftp:, no exceptions."""
    opener = urllib.request.OpenerDirector()
    opener.addheaders = []
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
    ):
        opener.add_handler(handler)
    return opener


@dataclass(frozen=True)
class Web:
    """Sends requests, and remembers which hosts answered: those that did not are asked once.

    Attributes:
        first: seconds that a host's first answer may take, look-up of its name included.
        stall: seconds that anything may take afterwards.
        pause: seconds before a broken download is tried again; doubled each time it is in vain.
    """

    first: float = FIRST_ANSWER
    stall: float = 30.0
    pause: float = 0.25
    _heard: set[str] = field(default_factory=set)
    _silent: dict[str, str] = field(default_factory=dict)  # host -> what happened
    _opener: urllib.request.OpenerDirector = field(default_factory=_opener)

    def open(self, url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """Ask for `url`; whatever the status is, except that redirects are followed.

        Raises:
            Unreached: a host that never answered does not answer in time.
            Broken: one that did does not any more.
            FetchError: the address, or one it redirects to, is not to be trusted.
        """
        asked = url
        for _ in range(_HOPS):
            _check(url, asked)
            answer = self._send(url, headers)
            target = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not target:
                return answer
            answer.close()
            # As browsers do: what is no plain URL character is UTF-8, percent-encoded.
            target = target.encode("latin-1", "replace").decode("utf-8", "replace")
            url = _joined(url, quote(target, safe=string.punctuation))
        raise FetchError(f"{plain(asked)} redirects without end", "Try again later.")

    def reach(self, url: str) -> None:
        """See that the host of `url` answers, with whatever; raises Unreached."""
        if urlsplit(url).netloc not in self._heard:
            self._send(url, {}).close()

    def _send(self, url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        request = urllib.request.Request(url, headers={"User-Agent": "mlir-harness", **headers})  # noqa: S310  checked by the caller
        host = urlsplit(url).netloc
        if host in self._silent:
            raise Unreached(self._silent[host])
        seconds = self.stall
        if host not in self._heard:
            # One silent host is enough to suspect the network: the others get less time.
            seconds = 1.0 if self._silent and not self._heard else self.first
        try:
            answer = _within(seconds, lambda: self._opener.open(request, timeout=self.stall))
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = f"{plain(host)} cannot be reached: {_reason(error, seconds)}"
            if host in self._heard:
                raise Broken(reason) from error
            self._silent[host] = reason
            raise Unreached(reason) from error
        self._heard.add(host)
        return answer


def _within(seconds: float, call: Callable[[], Any]) -> http.client.HTTPResponse:
    """What `call` gives, or TimeoutError; a look-up that hangs is left behind in its thread."""
    results: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    late = threading.Event()

    def work() -> None:
        try:
            answer = call()
        except BaseException as error:
            results.put((None, error))
            return
        results.put((answer, None))
        if late.is_set():
            answer.close()

    threading.Thread(target=work, daemon=True).start()
    try:
        answer, error = results.get(timeout=seconds)
    except Empty:
        late.set()
        raise TimeoutError from None
    if error is not None:
        raise error
    if answer is None:
        raise ValueError("unknown kind of address")
    return answer  # type: ignore[no-any-return]


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        return target  # no address at all, which the check says


def _check(url: str, asked: str) -> None:
    """Raise FetchError unless `url` is https, or of this machine where `asked` is too."""
    try:
        parts = urlsplit(url)
        local = parts.scheme == "http" and loopback(url) and loopback(asked)
        if parts.hostname and parts.username is None and (parts.scheme == "https" or local):
            return
    except ValueError:
        pass  # no address at all
    via = "" if url == asked else f" (where {plain(asked)} leads)"
    raise FetchError(
        f"{plain(url)}{via} is not an https address", "Files are fetched over https only."
    )


def loopback(url: str) -> bool:
    """Whether `url` is of this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(error: BaseException, seconds: float) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({plain(cause.verify_message)})"
    if isinstance(cause, TimeoutError):
        return f"no answer within {seconds:g} seconds"
    if isinstance(cause, OSError) and cause.strerror:
        return plain(cause.strerror)
    return plain(cause) if isinstance(cause, str) else described(cause)
