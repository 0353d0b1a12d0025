"""A member that is there as long as this process keeps it there: who is in a room, which worker holds a job."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

from .errors import ChordError, closed
from .model import PathLike
from .requests import Remove, Seconds, Set, seconds
from .values import Json

if TYPE_CHECKING:
    from .client import Client

OnPresenceError: TypeAlias = Callable[[ChordError], object]

_log = logging.getLogger("chordstate")


def has_gone(error: ChordError) -> bool:
    """Whether the member must be set again: it has expired, or its context is gone."""
    return error.reason in ("FAILED_PRECONDITION", "NOT_FOUND")


def until_renewal(ttl: float) -> float:
    """Seconds. Random, so that those that began together do not stay together."""
    return ttl / 3 * random.uniform(0.8, 1.2)


def report(error: ChordError, on_error: OnPresenceError | None) -> None:
    """What `on_error` raises ends nothing: the member would expire."""
    if on_error is None:
        _log.error("a presence failed", exc_info=error)
        return
    try:
        on_error(error)
    except Exception:
        _log.exception("on_error of a presence failed")


class Presence:
    """Made by `Client.presence`. Call `close` when done, or use `with`."""

    def __init__(
        self,
        client: Client,
        context_id: str,
        path: PathLike,
        value: Json,
        ttl: Seconds,
        on_error: OnPresenceError | None,
    ) -> None:
        self._client = client
        self._context_id = context_id
        self._path = path
        self._value = value
        self._ttl = seconds(ttl)
        self._on_error = on_error
        self._closing = threading.Event()
        # Held while a value is written: the one that is set last is the one that is there.
        self._turn = threading.Lock()
        self.set(value)
        self._thread = threading.Thread(target=self._run, name="chord-presence", daemon=True)
        self._thread.start()

    def set(self, value: Json) -> None:
        """Sets another value, which also renews the member. Of several at the same time, one waits for the other.

        Raises ChordError: `CANCELLED` after `close`.
        """
        with self._turn:
            if self._closing.is_set():
                raise closed("presence")
            self._value = value
            self._write()

    def _write(self) -> None:
        mutations = [Set(self._path, self._value, self._ttl)]
        self._client.update(self._context_id, mutations=mutations, allow_missing=True)

    def close(self) -> None:
        """Ends the renewals and removes the member. Where the removal fails, the member expires. A second one does
        nothing.
        """
        self._end()
        if threading.current_thread() is not self._thread:  # else the removal follows upon this call of `on_error`
            self._thread.join()

    def _end(self) -> None:
        """Begins to close: the thread of the presence makes the removal."""
        self._closing.set()

    def __enter__(self) -> Presence:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _run(self) -> None:
        while not self._closing.wait(until_renewal(self._ttl)):
            try:
                self._renew()
            except ChordError as error:
                if not self._closing.is_set():
                    report(error, self._on_error)
        try:
            with self._turn:
                self._client.update(self._context_id, mutations=[Remove(self._path)], timeout=self._ttl)
        except ChordError as error:
            if not has_gone(error):
                report(error, self._on_error)
        finally:
            self._client._forget(self)

    def _renew(self) -> None:
        try:
            self._client.touch(self._context_id, paths=[self._path], timeout=self._ttl)
        except ChordError as error:
            if not has_gone(error):
                raise
            with self._turn:
                if not self._closing.is_set():
                    self._write()
