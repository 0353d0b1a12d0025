"""A live local copy of contexts, kept up by a thread."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable
from types import TracebackType

from .apply import DeltaMismatch
from .client import Client
from .copies import Condition, Copies, OnChange, OnError, State
from .course import OnDisconnect
from .errors import ChordError, closed
from .model import CaughtUp, Event
from .tracker import Target
from .values import JsonObject


class Replica(Copies):
    """Read it from any thread, at any time; call `close` when done, or use `with`.

    Listeners run in the replica's own thread. on_error: hears what listeners raise, and the ChordError that ends the
    replica; without it they are logged. on_disconnect: as that of `watch`. state: what it starts with, as `state()` of
    an earlier one answered it.
    """

    def __init__(
        self,
        client: Client,
        *targets: Target,
        on_error: OnError | None = None,
        on_disconnect: OnDisconnect | None = None,
        state: State | None = None,
    ) -> None:
        super().__init__(on_error, state)
        self._on_disconnect = on_disconnect
        self._watch = client.watch(*targets, known=self._known(), on_disconnect=self._disconnected)
        self._settled = threading.Event()
        self._changed = threading.Condition()
        self._error: Exception | None = None
        self._ended: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="chord-replica", daemon=True)
        self._thread.start()
        client._closes(self)

    def on_change(self, listener: OnChange) -> Callable[[], None]:
        if inspect.iscoroutinefunction(listener):
            raise TypeError("a replica in a thread can await no listener: take chordstate.aio.Replica")
        return super().on_change(listener)

    def wait_ready(self, timeout: float | None = None) -> None:
        """Returns when everything that existed has come. Raises ChordError if it ends before, or TimeoutError."""
        if not self._settled.wait(timeout):
            raise TimeoutError(f"not caught up within {timeout} s")
        if self._error is not None:
            raise self._error

    def wait_for(self, context_id: str, condition: Condition, timeout: float | None = None) -> JsonObject | None:
        """Until the copy of a context has come to a position (the same epoch, at least the version), or a predicate of
        its value holds. Answers the value. Raises ChordError if the replica ends before, TimeoutError, or what the
        predicate raises.
        """
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._holds(context_id, condition):
                if self._ended is not None:
                    raise self._ended
                left = None if end is None else end - time.monotonic()
                if (left is not None and left <= 0) or not self._changed.wait(left):
                    raise TimeoutError(f"{context_id} did not get there within {timeout} s")
            return self.get(context_id)

    def close(self) -> None:
        """Returns when the thread is gone. No listener is called afterwards; the copy stays as it is."""
        self._closing = True
        self._watch.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> Replica:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _run(self) -> None:
        batch: list[Event] = []
        try:
            for event in self._watch:
                batch.append(event)
                if not event.more:
                    self._follow(batch)
                    batch = []
            self._end(closed("replica"))
        except Exception as error:
            try:
                self._log_end(error)
            finally:
                self._end(error)
            if self._on_error is not None:
                self._report(error)

    def _follow(self, batch: list[Event]) -> None:
        try:
            changes = self._take(batch)
        except DeltaMismatch:
            self._watch.resync(batch)
            return
        with self._changed:
            self._changed.notify_all()
        for change in changes:
            for listener in self._listeners:
                if self._closing:
                    return
                self._tell(listener, change)
        if isinstance(batch[-1], CaughtUp):
            self._settled.set()

    def _end(self, error: Exception) -> None:
        self._live = False
        with self._changed:
            self._ended = error
            self._changed.notify_all()
        if not self._settled.is_set():
            self._error = error
            self._settled.set()

    def _disconnected(self, error: ChordError, delay: float) -> None:
        self._live = False
        if self._on_disconnect is not None and not self._closing:
            try:
                self._on_disconnect(error, delay)
            except Exception as raised:
                self._report(raised)
