"""A stream of events that connects again by itself, from where it stands."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import grpc

from .channel import Stream
from .course import Course, ended
from .errors import ChordError
from .model import Event
from .status import from_rpc_error


class Watch(Iterator[Event]):
    """`for event in client.watch(...)`, in one thread at a time.

    Events are read from the network as they are taken: a slow reader gets merged deltas. Raises ChordError where it
    cannot go on. A batch comes when it is complete, its events back to back, each but the last with `more`. Closed by
    `close`, by `with`, by the client, or when it is garbage-collected.
    """

    def __init__(
        self,
        course: Course,
        open_call: Callable[[Any], Callable[[], Stream]],
        pause: Callable[[threading.Event, float], None],
    ) -> None:
        self._course = course
        self._open_call = open_call
        self._pause = pause
        self._events: deque[Event] = deque()
        self._call: Stream | None = None
        # Ends a pause: set when it is closed, or worth to try again.
        self._wake = threading.Event()
        self._resume_at = 0.0
        self._closed = threading.Event()
        self._lock = threading.Lock()

    def __iter__(self) -> Watch:
        return self

    def __next__(self) -> Event:
        while not self._closed.is_set():
            if self._events:
                return self._events.popleft()
            self._advance()
        raise StopIteration

    def close(self) -> None:
        """Ends it, also for a reader that waits in another thread."""
        with self._lock:
            self._closed.set()
            self._wake.set()
            call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def resync(self, events: list[Event]) -> None:
        """These, the last events, did not fit the reader's copy: connects again for the documents."""
        self._lost(self._course.refuse(events))

    def _advance(self) -> None:
        """Brings events, or a new connection, or the end."""
        try:
            call = self._connected()
            if call is not None:
                self._events.extend(self._course.take(next(call.call)))
        except StopIteration:
            self._lost(ended())
        except grpc.RpcError as error:
            self._lost(from_rpc_error(error))
        except ChordError as error:
            self._lost(error)

    def _connected(self) -> Stream | None:
        """The call; None where it has been closed meanwhile."""
        if self._call is None:
            delay = self._resume_at - time.monotonic()
            if delay > 0 and not self._closed.is_set():
                self._pause(self._wake, delay)
            if self._closed.is_set():
                return None
            self._wake.clear()
            start = self._open_call(self._course.request())
            with self._lock:
                if not self._closed.is_set():
                    self._call = start()
                    return self._call
        return self._call

    def _lost(self, error: ChordError) -> None:
        with self._lock:
            call, self._call = self._call, None
        if call is not None:
            call.cancel()
        if self._closed.is_set():
            return
        try:
            self._resume_at = time.monotonic() + self._course.lost(error)
        except ChordError:
            self.close()
            raise
