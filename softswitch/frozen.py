"""Frozen dataclasses that are made as quickly as open ones, for what is made hundreds of times in a call.

    from softswitch.frozen import dataclass

    @dataclass(frozen=True, slots=True)
    class PutOnWire: ...

To the type checker it is ``dataclasses.dataclass``, and ``frozen`` is what it says there: nobody assigns. At run time
the guard against it is left out, because it makes each field four times as dear to set, which was 8 % of a call.
Equality and hash are those of a frozen class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(*, frozen: bool, eq: bool = True, **options: Any):
        """Make a dataclass that nobody may change, which the type checker sees to."""
        assert frozen, "an open dataclass is dataclasses.dataclass"
        return dataclasses.dataclass(eq=eq, unsafe_hash=eq, **options)
