"""The newest request of each tab is drawn, nobody waits for long, and stopping is immediate."""

from __future__ import annotations

import threading

import pytest

from orojar_cli.explore.worker import ClosedError, SupersededError, Ticket, Worker, at_once


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    assert worker.close(timeout=10)


class Gate:
    """Work that tells when it has begun and waits to be let on."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.open.wait(10)
        return "gate"


def test_of_waiting_requests_only_the_newest_is_drawn(worker: Worker) -> None:
    gate, drawn = Gate(), []
    first = worker.submit(Ticket("tab", 0, 0), at_once(gate))
    assert gate.begun.wait(10)
    waiting = [worker.submit(Ticket("tab", 0, number), at_once(lambda number=number: drawn.append(number))) for number in range(1, 20)]
    gate.open.set()
    assert first.result(10) == "gate", "what is under way is let finish"
    waiting[-1].result(10)
    assert drawn == [19]
    for replaced in waiting[:-1]:
        with pytest.raises(SupersededError):
            replaced.result(10)
    with pytest.raises(SupersededError):
        worker.submit(Ticket("tab", 0, 18), at_once(lambda: drawn.append(18))).result(10)
    assert drawn == [19]


def test_tabs_and_kinds_do_not_replace_each_other(worker: Worker) -> None:
    gate = Gate()
    worker.submit(Ticket("tab", 0, 0), at_once(gate))
    assert gate.begun.wait(10)
    tickets = [Ticket("tab", 1, 0), Ticket("tab", 2, 0), Ticket("other", 0, 0), Ticket("other", 1, 0)]
    order: list[Ticket] = []
    futures = [worker.submit(ticket, at_once(lambda ticket=ticket: order.append(ticket))) for ticket in tickets]
    gate.open.set()
    for future in futures:
        future.result(10)
    assert order == [tickets[2], tickets[0], tickets[3], tickets[1]], "the most urgent first, else in the order of arrival"


def test_between_the_steps_of_a_film_pictures_come_first_and_films_take_turns(worker: Worker) -> None:
    gate, log = Gate(), []

    def film(name: str):
        def steps():
            for step in range(3):
                log.append(f"{name}{step}")
                if name == "a" and step == 0:
                    gate()
                yield
            return name

        return steps

    one = worker.submit(Ticket("one", 4, 0), film("a"))
    assert gate.begun.wait(10)
    two = worker.submit(Ticket("two", 4, 0), film("b"))
    picture = worker.submit(Ticket("two", 0, 0), at_once(lambda: log.append("picture")))
    gate.open.set()
    assert (one.result(10), two.result(10), picture.result(10)) == ("a", "b", None)
    assert log == ["a0", "picture", "b0", "a1", "b1", "a2", "b2"]


def test_a_replaced_or_forgotten_film_stops_between_its_steps(worker: Worker) -> None:
    for end in ("replace", "forget"):
        gate, drawn = Gate(), []

        def film(gate=gate, drawn=drawn):
            for step in range(100):
                drawn.append(step)
                if step == 0:
                    gate()
                yield

        number = 0 if end == "replace" else 10
        future = worker.submit(Ticket("tab", 4, number), film)
        assert gate.begun.wait(10)
        if end == "replace":
            worker.submit(Ticket("tab", 4, 1), at_once(lambda: None))
        else:
            worker.forget(future)
        gate.open.set()
        with pytest.raises(SupersededError):
            future.result(10)
        worker.submit(Ticket("other", 5, number), at_once(lambda: None)).result(10)
        assert drawn == [0]


def test_errors_reach_whoever_asked_and_work_goes_on(worker: Worker) -> None:
    with pytest.raises(ZeroDivisionError):
        worker.submit(Ticket("tab", 0, 0), at_once(lambda: 1 // 0)).result(10)
    assert worker.submit(Ticket("tab", 0, 1), at_once(lambda: 5)).result(10) == 5


def test_closing_fails_what_waits_and_what_is_under_way() -> None:
    worker, gate = Worker(), Gate()
    futures = [worker.submit(Ticket("tab", 0, 0), at_once(gate))]
    assert gate.begun.wait(10)
    futures.append(worker.submit(Ticket("tab", 1, 0), at_once(lambda: None)))
    assert not worker.close(), "a step cannot be stopped"
    futures.append(worker.submit(Ticket("tab", 2, 0), at_once(lambda: None)))
    for future in futures:
        with pytest.raises(ClosedError):
            future.result(0)
    gate.open.set()
    assert worker.close(timeout=10)


def test_the_memory_of_tabs_is_bounded(worker: Worker) -> None:
    for tab in range(2000):
        worker.submit(Ticket(f"tab {tab}", 0, 0), at_once(lambda: None)).result(10)
    assert len(worker._newest) <= 512 and not worker._jobs
