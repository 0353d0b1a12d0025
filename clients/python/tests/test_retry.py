"""Decisions, with a clock of the test's own."""

from __future__ import annotations

import grpc
import pytest

from chord.course import Course, WatchOptions
from chord.errors import ChordError, unavailable
from chord.model import names_of
from chord.retry import Attempts, RetryPolicy, backoff

POLICY = RetryPolicy(attempts=3, attempt_timeout=3, backoff_min=0.1, backoff_max=1)


def failed(code: grpc.StatusCode, transient: bool, retry_after: float | None = None) -> ChordError:
    return ChordError(code.name, "", code, transient=transient, retry_after=retry_after)


def test_backoff_doubles_up_to_its_maximum() -> None:
    for failures, longest in [(0, 0.1), (1, 0.2), (3, 0.8), (4, 1), (5000, 1)]:
        waits = [backoff(POLICY, failures) for _ in range(50)]
        assert all(longest / 2 <= wait <= longest for wait in waits)
        assert len(set(waits)) > 1


def test_attempts_end() -> None:
    attempts = Attempts(POLICY, 10, lambda: 0.0)
    attempts.wait(unavailable("1"))
    attempts.wait(failed(grpc.StatusCode.DEADLINE_EXCEEDED, False))
    with pytest.raises(ChordError, match="3"):
        attempts.wait(unavailable("3"))


def test_final_errors_are_not_tried_again() -> None:
    with pytest.raises(ChordError):
        Attempts(POLICY, 10).wait(failed(grpc.StatusCode.NOT_FOUND, False))


def test_a_try_gets_no_more_than_what_is_left() -> None:
    now = 0.0
    attempts = Attempts(POLICY, 5, lambda: now)
    assert attempts.timeout() == 3
    now = 4.0
    assert attempts.timeout() == 1
    now = 6.0
    assert attempts.timeout() == 0


def test_a_wait_that_does_not_fit_is_not_begun() -> None:
    attempts = Attempts(POLICY, 2, lambda: 0.0)
    assert attempts.wait(failed(grpc.StatusCode.UNAVAILABLE, True, 1.5)) == 1.5
    with pytest.raises(ChordError):
        attempts.wait(failed(grpc.StatusCode.UNAVAILABLE, True, 2.5))


def test_a_long_backoff_does_not_end_a_call_early() -> None:
    patient = RetryPolicy(backoff_min=60, backoff_max=60)
    assert Attempts(patient, 10, lambda: 0.0).wait(unavailable("")) == 5


def test_a_watch_goes_on_after_unavailable_for_ever() -> None:
    course = Course(POLICY, ("a",), WatchOptions())
    assert all(course.lost(unavailable("")) <= 1 for _ in range(100))


def test_a_watch_gives_up_on_doubtful_errors() -> None:
    course = Course(POLICY, ("a",), WatchOptions())
    for _ in range(5):
        course.lost(failed(grpc.StatusCode.INTERNAL, True))
    with pytest.raises(ChordError, match="INTERNAL"):
        course.lost(failed(grpc.StatusCode.INTERNAL, True))


def test_a_watch_waits_as_long_as_it_is_asked_to() -> None:
    heard: list[float] = []
    options = WatchOptions(on_disconnect=lambda _, delay: heard.append(delay))
    course = Course(POLICY, ("a",), options)
    assert course.lost(failed(grpc.StatusCode.UNAVAILABLE, True, 7)) == 7
    assert heard == [7]


def test_names_of_enums_lose_their_prefix() -> None:
    from chord._gen.chord.v1.model_pb2 import FullReason

    assert names_of(FullReason, "FULL_REASON_")[2] == "EPOCH_CHANGED"
