import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bento_service import scheduler
from bento_service.errors import TooSlow
from bento_service.scheduler import Scheduler
from bento_service.windows import Window

WAIT_S = 20


class GatedEngine:
    """Echoes the ids of a batch as its logits, a batch for every release of `gate`; `read` has what came when."""

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


def window(name, length=3):
    ids = np.full(length, name, dtype=np.int64)
    return Window(ids, np.zeros_like(ids), np.zeros((0, 2), dtype=np.int64), 0, length)


@pytest.fixture
def callers():
    with ThreadPoolExecutor(8) as threads:
        yield threads


def occupy(engine, shared, callers):
    """Keep the engine's only worker busy, so that what comes next has to wait."""
    first = callers.submit(shared.run, [window(0)])
    assert engine.begun.acquire(timeout=WAIT_S)
    return first


def read_next(engine):
    """Let the engine read what it holds; return when it holds the next."""
    engine.gate.release()
    assert engine.begun.acquire(timeout=WAIT_S)


def wait_for(shared, count):
    """Return when as many windows wait."""
    deadline = time.monotonic() + WAIT_S
    while len(shared._waiting) < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_logits_come_back_in_the_order_of_the_windows():
    engine = GatedEngine(batch_size=2)
    engine.gate.release(9)
    windows = [window(5, 9), window(6, 2), window(7, 4), window(8, 2)]
    logits = Scheduler(engine).run(windows)
    assert [(start.tolist(), end.tolist()) for start, end in logits] == [
        ([name] * length, [name + 1] * length) for name, length in ((5, 9), (6, 2), (7, 4), (8, 2))
    ]
    assert engine.read == [[6, 8], [7, 5]]  # like lengths together


def test_no_windows_are_no_work():
    assert Scheduler(GatedEngine()).run([]) == []


def test_only_a_window_that_nothing_runs_beside_or_waits_behind_is_alone(callers):
    engine = GatedEngine(workers=2)
    shared = Scheduler(engine)
    occupy(engine, shared, callers)
    occupy(engine, shared, callers)
    behind = callers.submit(shared.run, [window(1)])
    wait_for(shared, 1)
    read_next(engine)
    assert engine.alone == [True, False, False]
    engine.gate.release(2)
    behind.result(WAIT_S)


def test_a_window_is_alone_again_when_all_others_are_read_and_not_before(callers):
    engine = GatedEngine(workers=2)
    shared = Scheduler(engine)
    engine.gate.release(4)
    shared.run([window(0), window(1)])
    shared.run([window(2)])
    with pytest.raises(MemoryError):
        shared.run([window(666)])
    engine.gate.release()
    shared.run([window(3)])
    assert engine.alone[0] is False
    assert engine.alone[2:] == [True, True, True]


def test_every_window_of_an_engine_with_one_worker_is_alone():
    engine = GatedEngine()
    engine.gate.release(3)
    Scheduler(engine).run([window(0), window(1), window(2)])
    assert engine.alone == [True, True, True]


def test_a_short_question_does_not_wait_for_a_long_context(callers):
    engine = GatedEngine()
    shared = Scheduler(engine)
    first = occupy(engine, shared, callers)
    long = callers.submit(shared.run, [window(name) for name in range(100, 100 + scheduler.LONG)])
    wait_for(shared, scheduler.LONG)
    short = callers.submit(shared.run, [window(1)])
    wait_for(shared, scheduler.LONG + 1)
    engine.gate.release(3)
    assert short.result(WAIT_S)
    assert engine.read[:3] == [[0], [100], [1]]
    assert not long.done()
    engine.gate.release(scheduler.LONG)
    assert len(long.result(WAIT_S)) == scheduler.LONG
    assert first.result(WAIT_S)


@pytest.mark.parametrize(("count", "within"), [(6, 0.004), (scheduler.LONG, scheduler.SPACING_S * scheduler.LONG)])
def test_a_page_is_due_at_once_and_a_long_context_little_by_little(callers, count, within):
    engine = GatedEngine()
    shared = Scheduler(engine)
    occupy(engine, shared, callers)
    page = callers.submit(shared.run, [window(name) for name in range(100, 100 + count)])
    wait_for(shared, count)
    due = sorted(due for due, *_ in shared._waiting)
    assert within / 2 < due[-1] - due[0] < within
    engine.gate.release(count + 1)
    assert len(page.result(WAIT_S)) == count


def test_a_long_context_behind_its_schedule_goes_first(callers, monkeypatch):
    monkeypatch.setattr(scheduler, "SPACING_S", 0.0)
    engine = GatedEngine()
    shared = Scheduler(engine)
    occupy(engine, shared, callers)
    long = callers.submit(shared.run, [window(name) for name in range(100, 110)])
    wait_for(shared, 10)
    short = callers.submit(shared.run, [window(1)])
    wait_for(shared, 11)
    engine.gate.release(99)
    assert long.result(WAIT_S)
    assert short.result(WAIT_S)
    assert engine.read[-1] == [1]


def test_windows_of_several_callers_share_a_batch(callers):
    engine = GatedEngine(batch_size=8)
    shared = Scheduler(engine)
    occupy(engine, shared, callers)
    futures = [callers.submit(shared.run, [window(name, 2 + name)]) for name in range(1, 5)]
    wait_for(shared, 4)
    engine.gate.release(9)
    for name, future in enumerate(futures, start=1):
        ((start, _),) = future.result(WAIT_S)
        assert start.tolist() == [name] * (2 + name)  # without its neighbours' padding
    assert sorted(engine.read[1]) == [1, 2, 3, 4]


def test_answers_are_held_and_given_together_while_there_is_much_to_read():
    engine = GatedEngine()
    shared = Scheduler(engine)
    first, second, third, fourth = (shared.submit([window(name)], len) for name in range(4))
    assert engine.begun.acquire(timeout=WAIT_S)
    read_next(engine)
    assert not first.done()
    read_next(engine)
    assert first.result(WAIT_S) == second.result(WAIT_S) == 1
    read_next(engine)
    assert third.result(WAIT_S) == 1
    engine.gate.release()
    assert fourth.result(WAIT_S) == 1


def test_an_answer_is_not_held_for_the_many_windows_of_one_other():
    engine = GatedEngine()
    shared = Scheduler(engine)
    short = shared.submit([window(1)], len)
    shared.submit([window(name) for name in range(100, 110)], len)
    assert engine.begun.acquire(timeout=WAIT_S)
    read_next(engine)
    assert short.result(WAIT_S) == 1
    engine.gate.release(10)


def test_a_held_answer_is_given_when_the_rest_is_dropped():
    engine = GatedEngine()
    shared = Scheduler(engine)
    gone = threading.Event()
    held = shared.submit([window(1)], len)
    dropped = [shared.submit([window(name)], len, gone.is_set) for name in (2, 3)]
    assert engine.begun.acquire(timeout=WAIT_S)
    gone.set()
    engine.gate.release()
    assert held.result(WAIT_S) == 1
    for promise in dropped:
        with pytest.raises(TooSlow):
            promise.result(WAIT_S)


def test_what_nobody_waits_for_is_dropped(callers):
    engine = GatedEngine()
    shared = Scheduler(engine)
    occupy(engine, shared, callers)
    gone = threading.Event()
    left = callers.submit(shared.run, [window(name) for name in range(100, 110)], gone.is_set)
    wait_for(shared, 10)
    stays = callers.submit(shared.run, [window(1)])
    wait_for(shared, 11)
    gone.set()
    engine.gate.release(9)
    with pytest.raises(TooSlow):
        left.result(WAIT_S)
    assert stays.result(WAIT_S)
    assert engine.read == [[0], [1]]


def test_an_engines_failure_reaches_its_callers_and_no_others(callers):
    engine = GatedEngine()
    shared = Scheduler(engine)
    engine.gate.release(99)
    with pytest.raises(MemoryError):
        shared.run([window(1), window(666), window(2)])
    assert shared.run([window(3)])


def test_whoever_waits_goes_on_from_an_engines_thread_with_the_scheduler_free():
    engine = GatedEngine()
    shared = Scheduler(engine)
    threads, second = [], []

    def go_on(read):
        threads.append(threading.current_thread().name)
        second.append(shared.submit([window(2)], len))

    shared.submit([window(1)], go_on)
    engine.gate.release(2)
    deadline = time.monotonic() + WAIT_S
    while not second:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert second[0].result(WAIT_S) == 1
    assert threads[0].startswith("engine")
