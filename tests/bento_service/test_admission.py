import numpy as np
import pytest

from bento_service.admission import SHARE, Admission
from bento_service.errors import TooManyRequests
from bento_service.reading.reader import Prepared
from bento_service.reading.windows import Window


class Expectation:
    """What a reader expects: seconds for the request that comes, and for all that it has."""

    def __init__(self, wait_s=0.0, backlog_s=0.0):
        self._wait_s, self._backlog_s = wait_s, backlog_s

    def wait_s(self, tokens):
        return self._wait_s * tokens

    def backlog_s(self):
        return self._backlog_s


def admission(reader, max_concurrency=32, timeout_s=60.0):
    return Admission(reader, max_concurrency=max_concurrency, timeout_s=timeout_s)


def test_as_many_requests_as_there_are_slots():
    door = admission(Expectation(backlog_s=7), max_concurrency=2)
    with door.slot(100):
        with door.slot(100), pytest.raises(TooManyRequests, match="2 requests are in flight") as refusal:
            door.check()
        door.check()
    assert refusal.value.headers == {"Retry-After": "4"}  # 7 s of work, half of it of the next that ends


def prepared(tokens):
    """One query whose only window has so many tokens."""
    ids = np.zeros(tokens, dtype=np.int64)
    return Prepared([], [[Window(ids, ids, np.zeros((0, 2), dtype=np.int64), 0, tokens)]], [None])


@pytest.mark.parametrize(("tokens", "retry_s"), [(47, None), (51, "3")])
def test_a_request_that_would_be_late_is_refused_beside_others(tokens, retry_s):
    """A second a token, of 48 s that it may take."""
    door = admission(Expectation(wait_s=1.0), timeout_s=60)
    assert SHARE * 60 == 48
    with door.slot(100), door.slot(100):
        if retry_s is None:
            door.check_time(100, prepared(tokens))
            return
        with pytest.raises(TooManyRequests) as refusal:
            door.check_time(100, prepared(tokens))
    assert refusal.value.headers == {"Retry-After": retry_s}


def test_a_long_text_is_refused_before_it_is_tokenised():
    """Half a token a byte was seen: 100 bytes take 50 s, of 48 that there are."""
    door = admission(Expectation(wait_s=1.0), timeout_s=60)
    with door.slot(20):
        door.check_time(20, prepared(10))
        with door.slot(90):
            pass
        with pytest.raises(TooManyRequests), door.slot(100):
            pass


def test_a_request_that_is_alone_is_always_let_in():
    door = admission(Expectation(wait_s=1000, backlog_s=1000))
    with door.slot(100):
        door.check_time(100, prepared(100))
    with door.slot(1000):
        pass


def test_a_slot_is_free_again_after_a_failure():
    door = admission(Expectation(), max_concurrency=1)
    with pytest.raises(ValueError, match="broken"), door.slot(100):
        raise ValueError("broken")
    door.check()
