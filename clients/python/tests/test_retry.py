"""Decisions, with a clock of the test's own."""

from __future__ import annotations

import pickle

import grpc
import pytest

import chordstate
from chordstate.course import Course, WatchOptions
from chordstate.errors import ChordError, unavailable
from chordstate.model import names_of
from chordstate.retry import TIMEOUT_MAX, Attempts, Patience, RetryPolicy, Waits, backoff
from chordstate.status import decode_error

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


def test_the_cause_is_told_not_that_the_last_try_was_cut_off() -> None:
    attempts = Attempts(POLICY, 10, lambda: 0.0)
    attempts.wait(unavailable("connection refused"))
    attempts.wait(failed(grpc.StatusCode.DEADLINE_EXCEEDED, False))
    with pytest.raises(ChordError, match="connection refused"):
        attempts.wait(failed(grpc.StatusCode.DEADLINE_EXCEEDED, False))


@pytest.mark.parametrize("timeout", [float("inf"), 2.0**31])
def test_times_that_a_server_cannot_count_are_cut(timeout: float) -> None:
    attempts = Attempts(RetryPolicy(attempt_timeout=timeout), timeout, lambda: 0.0)
    assert attempts.timeout() == attempts.left() == TIMEOUT_MAX < 2**31 / 1000


def test_a_message_alone_does_not_begin_the_backoff_anew_a_stream_that_lived_does() -> None:
    waits = Waits(POLICY)

    def wait(began: float, ended: float) -> float:
        waits.heard(began)
        waits.heard(ended)
        return waits.next(ended)

    for n in range(4):
        assert wait(0, 0.5) >= 0.1 * 2**n / 2
    assert wait(0, 0.9) >= 0.5
    assert wait(10, 11) <= 0.1
    assert wait(0, 0) <= 0.2


def test_a_token_is_asked_for_once_more() -> None:
    refused = failed(grpc.StatusCode.UNAUTHENTICATED, False)
    with pytest.raises(ChordError):
        Course(POLICY, ("a",), WatchOptions()).lost(refused)
    course = Course(POLICY, ("a",), WatchOptions(), renews=True)
    course.lost(refused)
    course.lost(unavailable(""))
    with pytest.raises(ChordError):
        course.lost(refused)


def test_the_end_of_a_connection_for_other_streams_is_the_networks() -> None:
    course = Course(POLICY, ("a",), WatchOptions())
    for _ in range(20):
        course.lost(decode_error(grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2", None))
        course.lost(decode_error(grpc.StatusCode.RESOURCE_EXHAUSTED, "GOAWAY: ENHANCE_YOUR_CALM", None))


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
    from chordstate._gen.chord.v1.model_pb2 import FullReason

    assert names_of(FullReason, "FULL_REASON_")[2] == "EPOCH_CHANGED"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def waited(error: ChordError, times: int, renews: bool = False, lives: float = 0) -> bool:
    """Whether a wait without a deadline goes on after so many failures."""
    clock = Clock()
    patience = Patience(POLICY, None, renews, clock)
    try:
        for _ in range(times):
            assert patience.timeout() is None
            clock.now += lives
            clock.now += patience.wait(error)
    except ChordError as raised:
        assert raised is error
        return False
    return True


def test_what_a_wait_tries_again() -> None:
    assert waited(unavailable(""), 1000)
    assert waited(failed(grpc.StatusCode.DEADLINE_EXCEEDED, False), 1000)  # the server ends waits that are long
    doubtful = failed(grpc.StatusCode.INTERNAL, True)
    assert waited(doubtful, 5)
    assert not waited(doubtful, 6)
    assert waited(doubtful, 100, lives=2 * POLICY.backoff_max)
    refused = failed(grpc.StatusCode.UNAUTHENTICATED, False)
    assert not waited(refused, 1)
    assert waited(refused, 1, renews=True)
    assert not waited(refused, 2, renews=True)
    assert waited(refused, 100, renews=True, lives=2 * POLICY.backoff_max)
    assert not waited(failed(grpc.StatusCode.PERMISSION_DENIED, False), 1, renews=True)


def test_a_wait_ends_at_its_deadline() -> None:
    clock = Clock()
    patience = Patience(POLICY, 10, False, clock)
    assert patience.timeout() == 10
    assert patience.wait(failed(grpc.StatusCode.UNAVAILABLE, True, retry_after=4)) == 4
    clock.now = 4
    assert patience.timeout() == 6
    with pytest.raises(ChordError):
        patience.wait(failed(grpc.StatusCode.UNAVAILABLE, True, retry_after=6))


def test_errors_have_the_class_of_their_reason() -> None:
    error = chordstate.ChordError("ABORTED", "moved", grpc.StatusCode.ABORTED, context_id="a")
    assert type(error) is chordstate.ConflictError
    assert type(chordstate.ChordError("LATER", "?", grpc.StatusCode.UNKNOWN)) is chordstate.ChordError
    again = pickle.loads(pickle.dumps(error))  # as between processes
    assert (type(again), str(again), again.context_id) == (chordstate.ConflictError, "ABORTED: moved", "a")
    with pytest.raises(chordstate.CancelledError):
        client = chordstate.connect("127.0.0.1:1")
        client.close()
        client.get("a")
