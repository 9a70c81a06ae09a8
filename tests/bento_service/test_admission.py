import pytest

from bento_service.admission import SHARE, Admission
from bento_service.errors import TooManyRequests


class Expectation:
    """What a reader expects: seconds for the request that comes, and for all that it has."""

    def __init__(self, wait_s=0.0, backlog_s=0.0):
        self._wait_s, self._backlog_s = wait_s, backlog_s

    def wait_s(self, _prepared):
        return self._wait_s

    def backlog_s(self):
        return self._backlog_s


def admission(reader, max_concurrency=32, timeout_s=60.0):
    return Admission(reader, max_concurrency=max_concurrency, timeout_s=timeout_s)


def test_as_many_requests_as_there_are_slots():
    door = admission(Expectation(backlog_s=7), max_concurrency=2)
    with door.slot():
        with door.slot(), pytest.raises(TooManyRequests, match="2 requests are in flight") as refusal:
            door.check()
        door.check()
    assert refusal.value.headers == {"Retry-After": "4"}  # 7 s of work, half of it of the next that ends


@pytest.mark.parametrize(("wait_s", "retry_s"), [(60 * SHARE - 1, None), (60 * SHARE + 2.5, 3)])
def test_a_request_that_would_be_late_is_refused_beside_others(wait_s, retry_s):
    door = admission(Expectation(wait_s=wait_s))
    with door.slot(), door.slot():
        if retry_s is None:
            door.check_time(None)
            return
        with pytest.raises(TooManyRequests) as refusal:
            door.check_time(None)
    assert refusal.value.headers == {"Retry-After": str(retry_s)}


def test_a_request_that_is_alone_is_always_let_in():
    door = admission(Expectation(wait_s=1000, backlog_s=1000))
    with door.slot():
        door.check_time(None)


def test_a_slot_is_free_again_after_a_failure():
    door = admission(Expectation(), max_concurrency=1)
    with pytest.raises(ValueError, match="broken"), door.slot():
        raise ValueError("broken")
    door.check()
