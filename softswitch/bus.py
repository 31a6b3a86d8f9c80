"""The bus: events from whoever changes something to everybody who wants to know.

Publishing is synchronous and in order: first the journal (which numbers the
event and makes it survive the process), then the folds, then the async readers.
One bus per switch; nothing global.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from softswitch.events import Event

__all__ = ["Bus", "Subscription"]


class Subscription:
    """An async iterator over events; it ends when the bus closes.

    A reader that falls more than ``limit`` events behind loses the oldest and
    finds their number in ``lost``: a slow reader must never hold the switch.
    """

    def __init__(self, limit: int, losing: Callable[[Subscription], None] = lambda _: None) -> None:
        """``losing`` hears of each event that is lost."""
        self._losing = losing
        self._events: deque[Event] = deque(maxlen=limit)
        self._wake = asyncio.Event()
        self._closed = False
        self.lost = 0

    def put(self, event: Event) -> None:
        if len(self._events) == self._events.maxlen:
            self.lost += 1
            self._losing(self)
        self._events.append(event)
        self._wake.set()

    def close(self) -> None:
        """End the iteration after what is already here."""
        self._closed = True
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            while self._events:
                yield self._events.popleft()
            if self._closed:
                return
            self._wake.clear()
            await self._wake.wait()


class Bus:
    """Hands each event to the journal, then to every listener in order of subscription."""

    def __init__(self, number: Callable[[Event], Event], losing: Callable[[], None] = lambda: None) -> None:
        """``number`` is the journal's append: it returns the event with ``seq``, ``node`` and ``at`` filled in.

        ``losing`` hears when a reader begins to lose events; ``lost`` is how many all readers together have lost.
        """
        self._losing = losing
        self.lost = 0
        self._number = number
        self._listeners: list[Callable[[Event], None]] = []
        self._subscriptions: list[Subscription] = []

    def publish(self, event: Event) -> Event:
        event = self._number(event)
        for listener in self._listeners:
            listener(event)
        for subscription in self._subscriptions:
            subscription.put(event)
        return event

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call ``listener`` with each event from now on, inside ``publish``; it must be quick and must not raise."""
        self._listeners.append(listener)

    def subscribe(self, limit: int = 10_000) -> Subscription:
        subscription = Subscription(limit, self._lose)
        self._subscriptions.append(subscription)
        return subscription

    def _lose(self, subscription: Subscription) -> None:
        self.lost += 1
        if subscription.lost == 1:
            self._losing()

    def unsubscribe(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        subscription.close()

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
