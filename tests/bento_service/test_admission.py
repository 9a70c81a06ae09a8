import pytest

from bento_service.admission import CAUTIOUS_SPEED, SHARE, Admission
from bento_service.errors import TooManyRequests


class Clock:
    """Time that passes when told to (s)."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def admission(clock, max_concurrency=32, timeout_s=60.0):
    return Admission(max_concurrency=max_concurrency, timeout_s=timeout_s, clock=clock)


def work(door, clock, size, seconds):
    """Let a request in, and out again when it has been read."""
    door.enter(size)
    clock.now += seconds
    door.leave(size, read=True)


def test_as_many_requests_as_there_is_room_for(clock):
    door = admission(clock, max_concurrency=2)
    door.enter(10)
    door.enter(10)
    with pytest.raises(TooManyRequests, match="2 requests are in flight"):
        door.check()
    door.leave(10, read=True)
    door.enter(10)


def test_no_more_text_than_can_be_read_in_time(clock):
    door = admission(clock)
    fits = int(CAUTIOUS_SPEED * 60 * SHARE)
    door.enter(fits - 1000)
    door.enter(1000)
    with pytest.raises(TooManyRequests) as refusal:
        door.enter(2 * int(CAUTIOUS_SPEED))
    assert refusal.value.headers == {"Retry-After": "2"}


def test_a_request_that_is_alone_is_always_let_in(clock):
    admission(clock, timeout_s=0.01).enter(1_000_000)


def test_where_text_is_read_fast_more_of_it_is_let_in(clock):
    door = admission(clock)
    for _ in range(200):
        work(door, clock, 100_000, 1.0)
    for _ in range(16):  # 16 s of work, of 30 s of patience
        door.enter(100_000)


def test_where_text_is_read_slowly_less_of_it_is_let_in(clock):
    door = admission(clock)
    for _ in range(200):
        work(door, clock, 1_000, 1.0)
    door.enter(15_000)
    door.enter(10_000)
    with pytest.raises(TooManyRequests):
        door.enter(10_000)


def test_idle_time_does_not_count_as_slow(clock):
    door = admission(clock)
    for _ in range(100):
        work(door, clock, 10_000, 1.0)
        clock.now += 1000
    door.enter(1)
    door.enter(250_000)


def test_what_was_dropped_does_not_count_as_read(clock):
    door = admission(clock)
    for _ in range(200):
        door.enter(100_000)
        clock.now += 1.0
        door.leave(100_000, read=False)
    door.enter(1)
    with pytest.raises(TooManyRequests):
        door.enter(10_000)
