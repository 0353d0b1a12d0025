"""When to try again, and after how long."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from .errors import ChordError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Durations in seconds."""

    #: Tries of one call; 1: none is repeated.
    attempts: int = 10
    #: For one try.
    attempt_timeout: float = 3.0
    backoff_min: float = 0.1
    backoff_max: float = 10.0


def backoff(policy: RetryPolicy, failures: int) -> float:
    """The wait after the n-th failure in a row, from 0. Random, so that clients do not come back all at once."""
    longest = min(policy.backoff_max, policy.backoff_min * 2.0 ** min(failures, 60))
    return longest * random.uniform(0.5, 1)


#: In a row, of a watch or a wait: errors other than UNAVAILABLE may be the network's, or be there to stay.
DOUBTFUL_FAILURES_MAX = 5

#: Servers on Node count the milliseconds of a deadline in 31 bits; longer ones end at once.
TIMEOUT_MAX = 24 * 24 * 3600.0


#: Of a call whose repeat might do harm.
ONE_TRY = RetryPolicy(attempts=1, attempt_timeout=TIMEOUT_MAX)


class Waits:
    """How long a watch waits after each of its failures. A message alone is no health; a stream that lived is."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._since: float | None = None

    def heard(self, now: float) -> None:
        """A message has come."""
        if self._since is None:
            self._since = now

    def next(self, now: float) -> float:
        """The stream has ended: answers seconds."""
        if self._since is not None and now - self._since >= self._policy.backoff_max:
            self._failures = 0
        self._since = None
        self._failures += 1
        return backoff(self._policy, self._failures - 1)


class Attempts:
    """The tries of one call, from its first one on."""

    def __init__(self, policy: RetryPolicy, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._end = clock() + timeout
        self._failures = 0
        self._cause: ChordError | None = None

    def left(self) -> float:
        """For all tries to come."""
        return max(0.0, min(TIMEOUT_MAX, self._end - self._clock()))

    def timeout(self) -> float:
        """For the try that begins now."""
        return min(self._policy.attempt_timeout, self.left())

    def wait(self, error: ChordError) -> float:
        """How long to wait after this failure.

        Raises it where no try is left; in place of one that its time cut off, the first of another kind: the cause.
        """
        late = error.code is grpc.StatusCode.DEADLINE_EXCEEDED
        if not late and self._cause is None:
            self._cause = error
        again = error.transient or late
        left = self._end - self._clock()
        # Never more than half of what is left: a long backoff must not end a call early.
        wait = max(min(backoff(self._policy, self._failures), left / 2), error.retry_after or 0)
        self._failures += 1
        if not again or self._failures >= self._policy.attempts or wait >= left:
            raise (self._cause or error) if late else error
        return wait


class Patience:
    """The tries of a call that may last for long: as a watch connects again. A try that lived is no failure in a row.

    timeout: None: without an end. renews: whether another token may be had by asking again.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        timeout: float | None,
        renews: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        self._renews = renews
        self._clock = clock
        self._end = None if timeout is None else clock() + min(timeout, TIMEOUT_MAX)
        self._waits = Waits(policy)
        self._begun = clock()
        self._doubts = 0
        self._refusals = 0

    def timeout(self) -> float | None:
        """For the try that begins now."""
        self._begun = self._clock()
        self._waits.heard(self._begun)
        return None if self._end is None else max(0.0, self._end - self._begun)

    def wait(self, error: ChordError) -> float:
        """How long to wait after this failure. Raises it where no try is left."""
        now = self._clock()
        if now - self._begun >= self._policy.backoff_max:
            self._doubts = self._refusals = 0
        # The server ends a wait after an hour.
        late = error.code is grpc.StatusCode.DEADLINE_EXCEEDED
        if not (error.transient or late or self._expired(error)) or (not late and self._too_doubtful(error)):
            raise error
        delay = max(self._waits.next(now), error.retry_after or 0)
        if self._end is not None and delay >= self._end - now:
            raise error
        return delay

    def _expired(self, error: ChordError) -> bool:
        self._refusals += error.reason == "UNAUTHENTICATED"
        return error.reason == "UNAUTHENTICATED" and self._renews and self._refusals == 1

    def _too_doubtful(self, error: ChordError) -> bool:
        self._doubts += 0 if error.certain else 1
        return self._doubts > DOUBTFUL_FAILURES_MAX
