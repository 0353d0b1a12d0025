"""A live local copy of contexts, kept up by a thread."""

from __future__ import annotations

import threading
from types import TracebackType

from .apply import DeltaMismatch
from .client import Client
from .copies import Copies, OnError
from .course import OnDisconnect
from .errors import ChordError, unavailable
from .model import CaughtUp, Delta
from .tracker import Target


class Replica(Copies):
    """Read it from any thread, at any time; call `close` when done, or use `with`.

    Listeners run in the replica's own thread. on_error: hears what listeners raise, and the ChordError that ends the
    replica; without it they are logged. on_disconnect: as that of `watch`.
    """

    def __init__(
        self,
        client: Client,
        *targets: Target,
        on_error: OnError | None = None,
        on_disconnect: OnDisconnect | None = None,
    ) -> None:
        super().__init__(on_error)
        self._on_disconnect = on_disconnect
        self._watch = client.watch(*targets, on_disconnect=self._disconnected)
        self._settled = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="chord-replica", daemon=True)
        self._thread.start()
        client.closes(self)

    def wait_ready(self, timeout: float | None = None) -> None:
        """Returns when everything that existed has come. Raises ChordError if it ends before, or TimeoutError."""
        if not self._settled.wait(timeout):
            raise TimeoutError(f"not caught up within {timeout} s")
        if self._error is not None:
            raise self._error

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
        try:
            for event in self._watch:
                try:
                    self._take(event)
                except DeltaMismatch:
                    assert isinstance(event, Delta)
                    self._watch.resync(event.context_id)
                if isinstance(event, CaughtUp):
                    self._settled.set()
            self._end(unavailable("the replica was closed"))
        except Exception as error:
            self._end(error)
            self._report(error, "a replica has ended")
        finally:
            self._live = False

    def _end(self, error: Exception) -> None:
        if not self._settled.is_set():
            self._error = error
            self._settled.set()

    def _disconnected(self, error: ChordError, delay: float) -> None:
        self._live = False
        if self._on_disconnect is not None and not self._closing:
            self._on_disconnect(error, delay)
