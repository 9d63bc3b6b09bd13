"""Reruns of a script that a session waits for: which run answers which. And the timers that ask for them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass


@dataclass
class Asked:
    """A rerun on its way: what was asked, and when."""

    kind: str
    fragment: str
    sent: float
    answered: "asyncio.Future[float]"  # seconds
    run: str = ""  # the run of the script that answers it
    any_run: bool = False  # the script asked for another run of itself: the next one answers


class Reruns:
    """The reruns that one session waits for."""

    def __init__(self) -> None:
        self._waiting: list[Asked] = []
        self._began: dict[str, float] = {}  # when the last runs of the script began

    def ask(self, kind: str, fragment: str) -> Asked:
        """Wait for one more, which is sent now."""
        asked = Asked(kind, fragment, time.perf_counter(), asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        return asked

    def begin(self, run: str, fragments: Collection[str]) -> None:
        """A run of the script has begun; without fragments it is one of all of it."""
        self._began = {run: time.perf_counter()} | dict(list(self._began.items())[:20])
        for asked in self._waiting:
            # a run of the whole script also ends what a fragment was doing: its end never comes
            if not fragments or (not asked.run and (asked.any_run or asked.fragment in fragments)):
                asked.run = run

    def finish(self, run: str, fragments: Collection[str], *, early: bool) -> list[Asked]:
        """A run has ended; returns what it has answered.

        Args:
            early: the script asked for another run of itself.
        """
        now, left, answered = time.perf_counter(), [], []
        began = self._began.get(run, 0.0)
        for asked in self._waiting:
            # a later run of the same fragment takes the place of an earlier one whose end was never sent
            replaced = bool(asked.run) and asked.fragment in fragments and asked.sent <= began
            if asked.run != run and not replaced:
                left.append(asked)
            elif early:
                asked.run, asked.any_run = "", True
                left.append(asked)
            else:
                answered.append(asked)
                if not asked.answered.done():
                    asked.answered.set_result(now - asked.sent)
        self._waiting = left
        return answered

    def give_up(self, error: Exception) -> None:
        """Let none wait any longer."""
        for asked in self._waiting:
            if not asked.answered.done():
                asked.answered.set_exception(error)
                asked.answered.exception()  # perhaps no caller waits
        self._waiting.clear()

    def unanswered(self, older_than_seconds: float) -> int:
        """Reruns whose answer is still missing after a while."""
        now = time.perf_counter()
        return sum(1 for asked in self._waiting if now - asked.sent > older_than_seconds)


class Timers:
    """The fragments of a page that refresh themselves.

    Args:
        refresh: asks for a rerun of a fragment; whether the session is still there.
    """

    def __init__(self, refresh: Callable[[str], Awaitable[bool]]) -> None:
        self._refresh = refresh
        self._running: dict[str, tuple[float, asyncio.Task[None]]] = {}

    def __bool__(self) -> bool:
        return bool(self._running)

    def set(self, fragment: str, seconds: float) -> None:
        """Refresh a fragment at an interval."""
        if fragment in self._running and self._running[fragment][0] == seconds:
            return
        self.stop(fragment)
        self._running[fragment] = seconds, asyncio.create_task(self._tick(fragment, seconds))

    async def _tick(self, fragment: str, seconds: float) -> None:
        """As setInterval: one rerun at each interval, whether or not the last one was answered."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        there = True
        while there:
            due = max(due + seconds, loop.time())
            await asyncio.sleep(due - loop.time())
            there = await self._refresh(fragment)

    def stop(self, fragment: str) -> None:
        """Refresh it no more."""
        found = self._running.pop(fragment, None)
        if found is not None:
            found[1].cancel()

    def stop_all(self) -> None:
        """Refresh nothing any more."""
        for fragment in list(self._running):
            self.stop(fragment)
