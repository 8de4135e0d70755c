"""One thread that draws for every open tab: the newest request of each, quick ones first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

Steps = Generator[None, None, Any]
"""Work in steps: it yields where more urgent work may come between, and returns its result."""

_REMEMBERED = 512


class SupersededError(Exception):
    """A newer request of the same tab and kind has arrived, or nobody waits for the answer any more."""


class ClosedError(Exception):
    """The program is stopping, or whoever asked has gone."""


@dataclass(frozen=True)
class Ticket:
    """Who asks for what: a tab's name, the kind of work (the lower, the more urgent) and the tab's own count of its requests."""

    client: str
    urgency: int
    number: int


@dataclass(eq=False)
class _Job:
    key: tuple[str, int]
    order: int
    steps: Steps
    future: Future[Any] = field(default_factory=Future)


class Worker:
    """Runs work in one thread of its own.

    Of every tab and kind only the newest request waits; one that it replaces, or that arrives after a newer one, fails with
    SupersededError without having been drawn.  What is being drawn is let finish its step, so that a picture appears also while requests
    keep coming.  Between the steps of long work (a film) more urgent work comes first, and equally urgent work of several tabs takes
    turns: nobody waits for longer than one step of somebody else's.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._jobs: dict[tuple[str, int], _Job] = {}
        self._newest: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._drawn: _Job | None = None
        self._arrivals = 0
        self._closed = False
        # A daemon: stopping the program must not wait for a picture of a large network.
        self._thread = threading.Thread(target=self._run, name="orojar-explore", daemon=True)
        self._thread.start()

    def submit(self, ticket: Ticket, work: Callable[[], Steps]) -> Future[Any]:
        """A future for the result of `work()`, in place of the tab's older work of the same kind."""
        key = (ticket.client, ticket.urgency)
        with self._changed:
            job = _Job(key, self._next(), work())
            if self._closed:
                job.future.set_exception(ClosedError())
            elif ticket.number <= self._newest.get(key, -1):
                job.future.set_exception(SupersededError())
            else:
                self._newest[key] = ticket.number
                self._newest.move_to_end(key)
                while len(self._newest) > _REMEMBERED:
                    self._newest.popitem(last=False)
                self._drop(key)
                self._jobs[key] = job
                self._changed.notify()
        return job.future

    def forget(self, future: Future[Any]) -> None:
        """Drop the work of a future that nobody waits for."""
        with self._changed:
            for key, job in list(self._jobs.items()):
                if job.future is future:
                    self._drop(key)

    def close(self, timeout: float = 0) -> bool:
        """Fail all that is waiting or under way; whether the thread has ended within `timeout` seconds."""
        with self._changed:
            self._closed = True
            for job in (*self._jobs.values(), self._drawn):
                if job is not None and not job.future.done():
                    job.future.set_exception(ClosedError())
            self._jobs.clear()
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _drop(self, key: tuple[str, int]) -> None:
        job = self._jobs.pop(key, None)
        if job is not None and job is not self._drawn:
            job.future.set_exception(SupersededError())

    def _next(self) -> int:
        self._arrivals += 1
        return self._arrivals

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if self._closed:
                    return
                job = min(self._jobs.values(), key=lambda job: (job.key[1], job.order))
                self._drawn = job
            self._advance(job)

    def _advance(self, job: _Job) -> None:
        result, error, ended = None, None, True
        try:
            next(job.steps)
            ended = False
        except StopIteration as stop:
            result = stop.value
        except Exception as raised:
            error = raised
        with self._changed:
            self._drawn = None
            job.order = self._next()
            kept = self._jobs.get(job.key) is job
            if ended and kept:
                del self._jobs[job.key]
            if job.future.done():
                return
            if error is not None:
                job.future.set_exception(error)
            elif ended:
                job.future.set_result(result)
            elif not kept:
                job.future.set_exception(SupersededError())


def at_once(function: Callable[[], Any]) -> Callable[[], Steps]:
    """Work of a single step."""

    def steps() -> Steps:
        yield from ()
        return function()

    return steps
