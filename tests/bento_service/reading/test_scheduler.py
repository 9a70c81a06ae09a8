import threading

import numpy as np
import pytest

from bento_service.reading.scheduler import ReadWindows, Scheduler
from bento_service.reading.windows import Window

WAIT_S = 20


class GatedEngine:
    """Echoes the ids of a batch as its logits, a batch for every release of `gate`; `read` lists the batches."""

    def __init__(self, *, batch_size=1, workers=1):
        self.batch_size, self.workers = batch_size, workers
        self.gate = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.read = []
        self.alone = []

    def run(self, input_ids, attention_mask, token_type_ids, *, alone=False):
        self.read.append([int(row[0]) for row in input_ids])
        self.alone.append(alone)
        self.begun.release()
        assert self.gate.acquire(timeout=WAIT_S)
        if (input_ids == 666).any():
            raise MemoryError("no room")
        return input_ids.astype(np.float32), (input_ids + 1).astype(np.float32)


class Clock:
    """Time that passes when told to (s)."""

    now = 100.0

    def __call__(self):
        return self.now


def window(name, length=3):
    ids = np.full(length, name, dtype=np.int64)
    return Window(ids, np.zeros_like(ids), np.zeros((0, 2), dtype=np.int64), 0, length)


def occupy(engine, shared):
    """Keep one of the engine's workers busy, so that what comes next has to wait."""
    first = shared.submit([window(0)])
    assert engine.begun.acquire(timeout=WAIT_S)
    return first


def test_logits_come_back_in_the_order_of_the_windows():
    engine = GatedEngine(batch_size=2)
    engine.gate.release(9)
    windows = [window(5, 9), window(6, 2), window(7, 4), window(8, 2)]
    logits = Scheduler(engine).submit(windows).result(WAIT_S).logits
    assert [(start.tolist(), end.tolist()) for start, end in logits] == [
        ([name] * length, [name + 1] * length) for name, length in ((5, 9), (6, 2), (7, 4), (8, 2))
    ]
    assert engine.read == [[6, 8], [7, 5]]  # like lengths together


def test_no_windows_are_no_work():
    assert Scheduler(GatedEngine()).submit([]).result(WAIT_S) == ReadWindows([], 0, 0)


def test_short_requests_come_between_the_windows_of_a_long_one():
    """The long one has had 2 windows when two short ones come. Turns 3 and 5 are theirs that had fewest, the earlier
    first; turns 4 and 6 are those of who has waited longest: the short ones again, which came before window 101 ended.
    """
    engine = GatedEngine()
    shared = Scheduler(engine)
    long = shared.submit([window(name) for name in range(100, 106)])
    assert engine.begun.acquire(timeout=WAIT_S)
    engine.gate.release()
    assert engine.begun.acquire(timeout=WAIT_S)  # it has had 100, and 101 is being read
    short = [shared.submit([window(1)]), shared.submit([window(2), window(3)])]
    engine.gate.release(99)
    for future in (*short, long):
        future.result(WAIT_S)
    assert engine.read[:2] == [[100], [101]]
    assert max(engine.read.index([name]) for name in (1, 2, 3)) <= 6


def test_a_long_request_does_not_starve_while_short_ones_keep_coming():
    """A new one comes at every turn, and would always have had the fewest windows."""
    engine = GatedEngine()
    shared = Scheduler(engine)
    futures = [occupy(engine, shared), shared.submit([window(100 + i) for i in range(5)])]
    for i in range(1, 41):
        futures.append(shared.submit([window(i)]))
        engine.gate.release()
        assert engine.begun.acquire(timeout=WAIT_S)
    engine.gate.release(99)
    for future in futures:
        future.result(WAIT_S)
    assert sum(names[0] >= 100 for names in engine.read[:40]) == 5


def test_long_requests_take_turns():
    engine = GatedEngine()
    shared = Scheduler(engine)
    occupied = occupy(engine, shared)
    futures = [shared.submit([window(first + i) for i in range(3)]) for first in (10, 20)]
    engine.gate.release(99)
    for future in (occupied, *futures):
        future.result(WAIT_S)
    assert [names[0] // 10 for names in engine.read[1:]].count(1) == 3
    assert {names[0] // 10 for names in engine.read[1:3]} == {1, 2}
    assert {names[0] // 10 for names in engine.read[3:5]} == {1, 2}


def test_windows_of_several_requests_share_a_batch():
    engine = GatedEngine(batch_size=8)
    shared = Scheduler(engine)
    occupy(engine, shared)
    futures = [shared.submit([window(name, 2 + name)]) for name in range(1, 5)]
    engine.gate.release(9)
    for name, future in enumerate(futures, start=1):
        ((start, _),) = future.result(WAIT_S).logits
        assert start.tolist() == [name] * (2 + name)  # without its neighbours' padding
    assert sorted(engine.read[1]) == [1, 2, 3, 4]


def test_only_a_window_that_nothing_runs_beside_or_waits_behind_is_alone():
    engine = GatedEngine(workers=2)
    shared = Scheduler(engine)
    futures = [occupy(engine, shared), occupy(engine, shared), shared.submit([window(1)])]
    engine.gate.release(3)
    for future in futures:
        future.result(WAIT_S)
    assert engine.alone[:2] == [True, False]
    engine.gate.release()
    shared.submit([window(2)]).result(WAIT_S)
    assert engine.alone[-1] is True


def test_a_cancelled_request_is_not_read_on():
    engine = GatedEngine()
    shared = Scheduler(engine)
    occupied = occupy(engine, shared)
    cancelled = shared.submit([window(name) for name in range(100, 110)])
    stays = shared.submit([window(1)])
    assert cancelled.cancel()
    engine.gate.release(9)
    assert stays.result(WAIT_S)
    assert occupied.result(WAIT_S)
    assert engine.read == [[0], [1]]


def test_a_request_can_be_cancelled_while_a_window_of_it_is_read():
    engine = GatedEngine()
    shared = Scheduler(engine)
    cancelled = shared.submit([window(100), window(101)])
    assert engine.begun.acquire(timeout=WAIT_S)
    assert cancelled.cancel()
    engine.gate.release(9)
    assert shared.submit([window(1)]).result(WAIT_S)
    assert engine.read == [[100], [1]]


def test_an_engines_failure_reaches_its_request_and_no_other():
    engine = GatedEngine(workers=2)
    shared = Scheduler(engine)
    engine.gate.release(99)
    with pytest.raises(MemoryError):
        shared.submit([window(1), window(666), window(666), window(2)]).result(WAIT_S)
    assert shared.submit([window(3)]).result(WAIT_S)


def test_before_anything_was_read_nothing_is_expected_to_take_time():
    assert (Scheduler(GatedEngine()).wait_s(100_000), Scheduler(GatedEngine()).tokens_per_s()) == (0, 0)


def test_a_request_waits_for_as_many_tokens_of_each_other_as_it_has_itself():
    """10 tokens were read in 2 s. Windows of 100 and 1000 tokens are ahead of 20: 2 x (20 + 20 + 20) tokens / 5.

    Of 900 tokens it has to wait for all others, 100 + 1000 + 900.
    """
    engine, clock = GatedEngine(), Clock()
    shared = Scheduler(engine, clock=clock)
    first = shared.submit([window(1, 10)])
    assert engine.begun.acquire(timeout=WAIT_S)
    clock.now += 2
    engine.gate.release()
    first.result(WAIT_S)
    long = [shared.submit([window(2, 100)]), shared.submit([window(3, 1000)])]
    assert shared.wait_s(20) == pytest.approx(2 * 60 / 5, rel=0.05)
    assert shared.wait_s(900) == pytest.approx(2000 / 5, rel=0.05)
    assert shared.backlog_s() == pytest.approx(1100 / 5, rel=0.05)
    assert long[1].cancel()
    assert shared.backlog_s() == pytest.approx(100 / 5, rel=0.05)
    engine.gate.release(9)
    long[0].result(WAIT_S)
    assert shared.backlog_s() == 0


def test_a_request_is_told_how_long_it_waited_and_how_long_it_was_read():
    """Two windows of the first are read for 2 and 3 s, then the other one for 5, and the first's third for 7."""
    engine, clock = GatedEngine(), Clock()
    shared = Scheduler(engine, clock=clock)
    first = shared.submit([window(1), window(1), window(1)])
    assert engine.begun.acquire(timeout=WAIT_S)
    other = shared.submit([window(2)])
    for seconds in (2, 3, 5, 7):
        clock.now += seconds
        engine.gate.release()
        if seconds < 7:
            assert engine.begun.acquire(timeout=WAIT_S)
    reads = first.result(WAIT_S), other.result(WAIT_S)
    assert [(read.waited_s, read.read_s) for read in reads] == [(5, 12), (5, 5)]
    assert engine.read == [[1], [1], [2], [1]]


def test_windows_that_are_read_at_once_are_read_for_the_time_of_the_longer_one():
    engine, clock = GatedEngine(workers=2), Clock()
    future = Scheduler(engine, clock=clock).submit([window(1), window(1)])
    for _ in range(2):
        assert engine.begun.acquire(timeout=WAIT_S)
    clock.now += 4
    engine.gate.release(2)
    read = future.result(WAIT_S)
    assert (read.waited_s, read.read_s) == (0, 4)


def test_idle_time_does_not_count_as_slow():
    engine, clock = GatedEngine(), Clock()
    shared = Scheduler(engine, clock=clock)
    for _ in range(3):
        future = shared.submit([window(1, 10)])
        assert engine.begun.acquire(timeout=WAIT_S)
        clock.now += 1
        engine.gate.release()
        future.result(WAIT_S)
        clock.now += 1000
    assert shared.wait_s(10) == pytest.approx(1)
    assert shared.tokens_per_s() == pytest.approx(10)


def test_a_speed_counts_half_after_ten_seconds_of_work():
    """1000 tokens are read in 1 s, then 10 tokens in 10 s: (1/2 + 10) s for (1000/2 + 10) tokens."""
    engine, clock = GatedEngine(), Clock()
    shared = Scheduler(engine, clock=clock)
    for tokens, seconds in ((1000, 1), (10, 10)):
        future = shared.submit([window(1, tokens)])
        assert engine.begun.acquire(timeout=WAIT_S)
        clock.now += seconds
        engine.gate.release()
        future.result(WAIT_S)
    assert shared.wait_s(510) == pytest.approx(10.5)
