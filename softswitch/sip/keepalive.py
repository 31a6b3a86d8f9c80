"""Whether registered phones are still there: OPTIONS to each binding, again and again.

A phone that dies silently is found out within ``interval`` (until the next
question) plus ``patience`` (until its silence is believed): 25 s with the
defaults. Any final answer is a sign of life, whatever its status, and so is a
REGISTER. The questions also hold the NAT open.
"""

from __future__ import annotations

from typing import Literal

from softswitch.clock import Deadlines
from softswitch.sip.dialog import request_uri
from softswitch.sip.events import Binding, Flow
from softswitch.sip.message import Response
from softswitch.sip.question import Questions
from softswitch.sip.registrar import Registrar
from softswitch.sip.session import Action, Stack
from softswitch.sip.transactions import TransactionKey

__all__ = ["KeepAlive"]

_BindingKey = tuple[str, str]


class KeepAlive:
    """Asks every binding in turn; one question per binding is under way at most."""

    def __init__(self, stack: Stack, registrar: Registrar) -> None:
        self._stack, self._registrar = stack, registrar
        self._deadlines: Deadlines[_BindingKey] = Deadlines()
        self._asking: dict[_BindingKey, TransactionKey] = {}
        self._asked: dict[TransactionKey, _BindingKey] = {}
        self._questions = Questions(stack)

    @property
    def deadline(self) -> float | None:
        return self._deadlines.next

    def watch(self, binding: Binding, now: float) -> None:
        """Begin, or begin anew, with a binding that has just shown itself."""
        key = (binding.person, str(binding.contact))
        self._forget(key)
        # The first question comes early and at random, so that phones of one restart do not march in step.
        interval = self._stack.settings.keepalive_interval
        self._deadlines.set(key, now + self._stack.ids.between(interval / 2, interval))

    def unwatch(self, binding: Binding) -> None:
        key = (binding.person, str(binding.contact))
        self._forget(key)
        self._deadlines.set(key, None)

    def tick(self, now: float) -> list[Action]:
        out: list[Action] = []
        settings = self._stack.settings
        while (key := self._deadlines.due(now)) is not None:
            binding = self._registrar.find(*key)
            if binding is None:
                self._forget(key)
                continue
            if key in self._asking:
                self._forget(key)
                self._stack.counters["keep-alive unanswered"] += 1
                out += self._registrar.set_reachable(*key, False)
                self._deadlines.set(key, now + settings.keepalive_interval)
                continue
            asked, sent = self._stack.send(
                self, None, self._questions.to(request_uri(binding.contact), binding.path), binding.flow, now
            )
            self._asking[key], self._asked[asked] = asked, key
            self._deadlines.set(key, now + settings.keepalive_patience)
            out += sent
        return out

    def on_response(self, key: TransactionKey, response: Response, flow: Flow, now: float) -> list[Action]:
        binding_key = self._asked.pop(key, None) if response.status >= 200 else None
        if binding_key is None or self._asking.pop(binding_key, None) is None:
            return []
        self._deadlines.set(binding_key, now + self._stack.settings.keepalive_interval)
        return [*self._registrar.set_reachable(*binding_key, True)]

    def on_failed(self, key: TransactionKey, why: Literal["timeout", "transport"], now: float) -> list[Action]:
        binding_key = self._asked.pop(key, None)
        if binding_key is None or self._asking.pop(binding_key, None) is None:
            return []
        self._deadlines.set(binding_key, now + self._stack.settings.keepalive_interval)
        return [*self._registrar.set_reachable(*binding_key, False)]

    def _forget(self, key: _BindingKey) -> None:
        asked = self._asking.pop(key, None)
        if asked is not None:
            self._asked.pop(asked, None)
