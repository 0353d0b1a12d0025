"""What a watch decides: what to ask for, what to deliver, and when to connect again. Pure: it knows no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ._gen.chord.v1 import sync_service_pb2 as pb
from .errors import ChordError, unavailable
from .model import Event
from .position import Position
from .requests import Seconds, write_duration
from .retry import RetryPolicy, backoff
from .tracker import Gap, Target, Tracker

#: Errors other than UNAVAILABLE may be the network's, or be there to stay.
_DOUBTFUL_FAILURES_MAX = 5

#: The error, and the seconds until the next try.
OnDisconnect = Callable[[ChordError, float], None]


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Of `watch`, where they are told."""

    known: Mapping[str, Position] = field(default_factory=dict)
    include_old_values: bool = False
    heartbeat_interval: Seconds | None = None
    on_disconnect: OnDisconnect | None = None


class Course:
    def __init__(self, policy: RetryPolicy, targets: tuple[Target, ...], options: WatchOptions) -> None:
        self._policy = policy
        self._options = options
        self._heartbeat = write_duration(options.heartbeat_interval, "heartbeat_interval")
        self._tracker = Tracker(targets, options.known)
        self._failures = 0
        self._retry_after = 0.0
        #: This connection has brought an event or a heartbeat.
        self._heard = False

    def request(self) -> pb.WatchContextsRequest:
        """A connection begins: answers what to ask for."""
        self._retry_after = 0.0
        self._heard = False
        return pb.WatchContextsRequest(
            subscriptions=self._tracker.subscriptions(),
            include_old_values=self._options.include_old_values,
            heartbeat_interval=self._heartbeat,
        )

    def take(self, message: pb.WatchContextsResponse) -> list[Event]:
        """Answers the events to deliver. Raises ChordError where the stream cannot go on."""
        self._failures = 0
        if message.HasField("closing"):
            self._retry_after = message.closing.retry_after.ToNanoseconds() / 1e9
        else:
            self._heard = True
        try:
            return self._tracker.take(message)
        except Gap:
            raise _misfit() from None

    def lost(self, error: ChordError) -> float:
        """The stream has ended: answers the seconds until the next try, and tells the caller. Raises final errors."""
        doubtful = error.reason not in ("UNAVAILABLE", "RESOURCE_EXHAUSTED")
        # The token has expired under way: there may be a new one.
        expired = self._heard and error.reason == "UNAUTHENTICATED"
        if not (error.transient or expired) or (doubtful and self._failures >= _DOUBTFUL_FAILURES_MAX):
            raise error
        delay = max(backoff(self._policy, self._failures), self._retry_after, error.retry_after or 0)
        self._failures += 1
        if self._options.on_disconnect is not None:
            self._options.on_disconnect(error, delay)
        return delay

    def doubt(self, context_id: str) -> ChordError:
        """This context's last event did not fit the reader's copy: the next connection brings the document."""
        self._tracker.doubt(context_id)
        return _misfit()


def _misfit() -> ChordError:
    return unavailable("an event does not fit what came before")


def ended() -> ChordError:
    return unavailable("the server ended the stream")
