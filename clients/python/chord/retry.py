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


class Attempts:
    """The tries of one call, from its first one on."""

    def __init__(self, policy: RetryPolicy, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._end = clock() + timeout
        self._failures = 0

    def timeout(self) -> float:
        """For the try that begins now."""
        return max(0.0, min(self._policy.attempt_timeout, self._end - self._clock()))

    def wait(self, error: ChordError) -> float:
        """How long to wait after this failure. Raises it where no try is left."""
        again = error.transient or error.code is grpc.StatusCode.DEADLINE_EXCEEDED
        left = self._end - self._clock()
        # Never more than half of what is left: a long backoff must not end a call early.
        wait = max(min(backoff(self._policy, self._failures), left / 2), error.retry_after or 0)
        self._failures += 1
        if not again or self._failures >= self._policy.attempts or wait >= left:
            raise error
        return wait
