"""What a watch decides: what to ask for, what to deliver, and when to connect again. Pure: it knows no network."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import grpc

from ._gen.chord.v1 import sync_service_pb2 as pb
from .errors import ChordError, text, unavailable
from .model import Event
from .position import Position
from .requests import Seconds, write_duration, write_paths
from .retry import DOUBTFUL_FAILURES_MAX, RetryPolicy, Waits
from .tracker import Gap, Prefix, Target, Tracker, context_of

_log = logging.getLogger("chordstate")

#: The error, and the seconds until the next try.
OnDisconnect = Callable[[ChordError, float], None]


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Of `watch`, where they are told."""

    known: Mapping[str, Position] = field(default_factory=dict)
    include_old_values: bool = False
    heartbeat_interval: Seconds | None = None
    on_disconnect: OnDisconnect | None = None
    format: str = ""


class Course:
    """renews: whether another token may be had by asking again."""

    def __init__(
        self,
        policy: RetryPolicy,
        targets: tuple[Target, ...],
        options: WatchOptions,
        renews: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for i, target in enumerate(targets):
            text(f"targets[{i}]", target.prefix if isinstance(target, Prefix) else context_of(target))
            if not isinstance(target, str):
                write_paths(target.paths, f"targets[{i}].paths")
        text("format", options.format)
        self._options = options
        self._renews = renews
        self._clock = clock
        self._heartbeat = write_duration(options.heartbeat_interval, "heartbeat_interval")
        self._tracker = Tracker(targets, options.known)
        self._waits = Waits(policy)
        self._retry_after = 0.0
        #: This connection has brought an event or a heartbeat.
        self._heard = False
        #: Doubtful failures in a row, without a message between.
        self._doubts = 0
        #: Refusals of the token in a row, each at the beginning of a connection.
        self._refusals = 0

    def request(self) -> pb.WatchContextsRequest:
        """A connection begins: answers what to ask for."""
        self._retry_after = 0.0
        self._heard = False
        return pb.WatchContextsRequest(
            subscriptions=self._tracker.subscriptions(),
            include_old_values=self._options.include_old_values,
            format=self._options.format,
            heartbeat_interval=self._heartbeat,
        )

    def take(self, message: pb.WatchContextsResponse) -> list[Event]:
        """Answers the events to deliver. Raises ChordError where the stream cannot go on."""
        self._waits.heard(self._clock())
        self._doubts = 0
        if message.HasField("closing"):
            self._retry_after = message.closing.retry_after.ToNanoseconds() / 1e9
        else:
            self._heard = True
            self._refusals = 0
        try:
            return self._tracker.take(message)
        except Gap:
            raise _misfit() from None
        except (ValueError, OverflowError) as error:
            # A time that Python cannot hold: final, or the event would be missed.
            raise ChordError("INTERNAL", f"an event cannot be read: {error}", grpc.StatusCode.INTERNAL) from error

    def lost(self, error: ChordError) -> float:
        """The stream has ended: answers the seconds until the next try, and tells the caller. Raises final errors."""
        if not (error.transient or self._expired(error)) or self._too_doubtful(error):
            raise error
        delay = max(self._waits.next(self._clock()), self._retry_after, error.retry_after or 0)
        _log.info("a watch lost its connection, and connects again in %.1f s: %s", delay, error)
        if self._options.on_disconnect is not None:
            self._options.on_disconnect(error, delay)
        return delay

    def refuse(self, events: list[Event]) -> ChordError:
        """The last events did not fit the reader's copy: the next connection brings the documents."""
        self._tracker.refuse(events)
        return _misfit()

    def _expired(self, error: ChordError) -> bool:
        """The token was good, or there may be another one."""
        if error.reason != "UNAUTHENTICATED" or self._heard:
            return error.reason == "UNAUTHENTICATED"
        self._refusals += 1
        return self._renews and self._refusals == 1

    def _too_doubtful(self, error: ChordError) -> bool:
        self._doubts += 0 if error.certain else 1
        return self._doubts > DOUBTFUL_FAILURES_MAX


def _misfit() -> ChordError:
    return unavailable("an event does not fit what came before")


def ended() -> ChordError:
    return unavailable("the server ended the stream")
