"""What goes into a lane and what comes out of it. Pure; the operations are `lane_store`'s."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from streaming.errors import StreamingError
from streaming.lane_limits import Budget
from streaming.lane_snapshot import Place


class LaneLost(StreamingError):
    """The lane has no epoch: Redis lost its memory. Whoever waits keeps waiting, whoever runs goes on."""

    code = "lane_lost"
    message = "The waiting line is being rebuilt."
    retryable = True


@dataclass(frozen=True, slots=True)
class Ticket:
    """A generation's permission to start. `admission` is the lane's own number for it, opaque to everybody else.
    Without a lane it is the permission to end: to start only what asks no provider. `handed_ms`: when it was sent to a
    worker, in milliseconds since 1970 by the sender's clock; 0: not said."""

    generation_id: str
    admission: int = 0
    lane: str = field(default="", compare=False)
    handed_ms: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Request:
    """What a ticket will use, as estimated when it was accepted. `cost` is its share in the fair order."""

    ticket: str
    user: str
    input_tokens: int
    output_tokens: int
    cost: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Used:
    """What a ticket really used; None: nobody knows, the reservation stands."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class Penalty:
    """What a refusal does to the whole lane. `wait_s` None: the provider did not say. `factor` below 1 slows the lane
    down where no header explained the refusal; `jitter_s` keeps lanes of one key from coming back in one instant."""

    #: limit: 429; overload: 529, 503.
    kind: Literal["none", "limit", "overload"] = "none"
    wait_s: float | None = None
    factor: float = 1.0
    jitter_s: float = 0.0
    empty: Budget | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """A ticket as its row knows it. Times are ms of the epoch; `place` None: it never got one."""

    request: Request
    running: bool
    place: Place | None
    admission: int
    queued_ms: int
    admitted_ms: int
    produced: int = 0


@dataclass(frozen=True, slots=True)
class Drained:
    """`admitted` may start now; `is_told`: the lane has told the workers of them itself. `again_s`: when to drain again
    if nothing happens before; None: only an event can help. `why`: what the first in the order waits for. `lost`:
    running tickets whose lease ended."""

    admitted: list[Ticket]
    again_s: float | None
    why: str
    lost: list[str]
    is_told: bool = False

    @property
    def untold(self) -> list[Ticket]:
        """Those that may start, and of which no worker knows yet."""
        return [] if self.is_told else self.admitted


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` as named at the operation in its script."""

    status: str
    drained: Drained


@dataclass(frozen=True, slots=True)
class Enqueued(Answer):
    """`place` None: refused (LANE_FULL, USER_FULL). `state`: q in the order, p behind the user's own limit, …"""

    place: Place | None
    state: str
    ahead: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a ticket is now. `ahead` None: not in the order."""

    state: str
    place: Place
    ahead: int | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a new ticket of this user would meet, and the limits of those who wait. None: no such limit."""

    tag: int
    own_waiting: int
    own_running: int
    waiting: int
    user_queue: int | None
    queue_max: int | None

    @property
    def is_own_full(self) -> bool:
        return self.user_queue is not None and self.own_waiting >= self.user_queue

    @property
    def is_full(self) -> bool:
        return self.queue_max is not None and self.waiting >= self.queue_max


@dataclass(frozen=True, slots=True)
class Adopted:
    """A limit that headers taught the lane."""

    budget: Budget
    before: int
    after: int


NOTHING: Final = Drained([], None, "", [])


def fair_cost(input_tokens: int, output_tokens: int) -> int:
    """A ticket's share in the fair order. An output token counts as five of input: about what vendors charge for it."""
    return input_tokens + 5 * output_tokens
