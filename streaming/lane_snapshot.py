"""A lane at one moment, as its script tells it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Place(NamedTuple):
    """Where a ticket stands: the lane serves ascending places. It never changes while the ticket waits."""

    tag: int
    seq: int


class Bucket(NamedTuple):
    """A limited budget: `level` (below 0: debt), capacity, and refill per second as they are at this moment."""

    level: float
    cap: float
    rate: float


class Waiting(NamedTuple):
    ticket: str
    place: Place
    user: str
    input: int
    output: int
    queued_ms: int


class Running(NamedTuple):
    user: str
    age_s: float


class Deep(NamedTuple):
    """A sample beyond the depth of the snapshot: so many are ahead of this place."""

    ahead: int
    place: Place


class Arrival(NamedTuple):
    """`span`: by how much it moved the tag of its user's next ticket."""

    at_ms: int
    span: int
    user: str


class WaitEnded(NamedTuple):
    at_ms: int
    waited_s: float
    gave_up: bool
    ticket: str


class Service(NamedTuple):
    at_ms: int
    seconds: float
    estimated: int
    produced: int


class Closed(NamedTuple):
    """The provider closed the lane: a 429, or an overload."""

    at_ms: int
    seconds: float


Event = Arrival | WaitEnded | Service | Closed


@dataclass(frozen=True, slots=True)
class Snapshot:
    now_ms: int
    epoch: str
    #: The tag served last: what a newcomer gets.
    virtual: int
    #: Tickets in the order, all of them; `waiting` holds the first ones.
    depth: int
    parked_depth: int
    #: Why nobody may start (blocked, held, paused, overloaded, probing; empty: they may), and until when; 0: not known.
    closed: str
    closed_until_ms: int
    #: A sentence if the lane is blocked.
    blocked: str
    slots: int | None
    user_slots: int | None
    #: Number of history entries so far: what to pass to the next snapshot.
    events: int
    buckets: dict[str, Bucket]
    running: list[Running]
    waiting: list[Waiting]
    #: Tickets whose users are at their own limit.
    parked: list[Waiting]
    deep: list[Deep]
    #: Where the next ticket of a user would stand; the others' would stand at `virtual`.
    finish: dict[str, int]
    history: list[Event] = field(default_factory=list)
    #: An administrator's order that is in force ("pause", "drain" or none), and its sentence for people.
    held: str = ""
    held_why: str = ""

    @property
    def closed_s(self) -> float:
        """Seconds until the lane opens, as far as that is known."""
        return max(0, self.closed_until_ms - self.now_ms) / 1000 if self.closed else 0.0


@dataclass(frozen=True, slots=True)
class Levels:
    """What a lane is like just now. `closed` and `slots` as in Snapshot; `running`: in flight."""

    closed: str
    closed_s: float
    blocked: str
    held: str
    waiting: int
    parked: int
    running: int
    slots: int | None
    buckets: dict[str, Bucket]


def parse_levels(reply: Sequence[Any]) -> Levels:
    now, closed, until, blocked, held, waiting, parked, running, slots, buckets = reply
    return Levels(
        closed=_text(closed),
        closed_s=max(0, until - now) / 1000 if closed else 0.0,
        blocked=_text(blocked),
        held=_text(held),
        waiting=waiting,
        parked=parked,
        running=running,
        slots=None if slots < 0 else slots,
        buckets={_text(letter): Bucket(*map(float, values)) for letter, *values in chunks(buckets, 4)},
    )


@dataclass(frozen=True, slots=True)
class Glance:
    """What is cheap to know of a lane. `running`: in flight; `events`: number of history entries so far."""

    depth: int
    parked_depth: int
    closed: str
    blocked: str
    running: int
    events: int
    #: While it stays the same, nobody came, started, left or ended, and no limit changed.
    state: tuple[Any, ...]


def parse_glance(reply: Sequence[Any]) -> Glance:
    """From the reply of `glance` in lane_view.lua."""
    _, *head, buckets, running = reply
    _, _, depth, parked_depth, closed, _, blocked, *_, events = head
    limits = [(letter, cap, rate) for letter, _, cap, rate in chunks(buckets, 4)]
    return Glance(depth, parked_depth, _text(closed), _text(blocked), running, events, (*head, *limits, running))


def events_of(snapshot: Sequence[Any]) -> int:
    """How much of the history is known with this reply of `snapshot`."""
    events: int = snapshot[12]
    return events


def parse_snapshot(reply: Sequence[Any]) -> Snapshot:
    """From the reply of `snapshot` in lane_view.lua."""
    (
        now,
        epoch,
        virtual,
        depth,
        parked_depth,
        closed,
        until,
        blocked,
        held,
        held_why,
        slots,
        user_slots,
        events,
        *lists,
    ) = reply
    buckets, running, waiting, parked, deep, finish, history = lists
    return Snapshot(
        now_ms=now,
        epoch=_text(epoch),
        virtual=virtual,
        depth=depth,
        parked_depth=parked_depth,
        closed=_text(closed),
        closed_until_ms=until,
        blocked=_text(blocked),
        held=_text(held),
        held_why=_text(held_why),
        slots=None if slots < 0 else slots,
        user_slots=None if user_slots < 0 else user_slots,
        events=events,
        buckets={_text(letter): Bucket(*map(float, values)) for letter, *values in chunks(buckets, 4)},
        running=[Running(_text(user), age / 1000) for user, age in chunks(running, 2)],
        waiting=_waiting(waiting),
        parked=_waiting(parked),
        deep=[Deep(rank, Place(tag, seq)) for rank, tag, seq in chunks(deep, 3)],
        finish={_text(user): int(float(tag)) for user, tag in chunks(finish, 2)},
        history=[event for line in history if (event := _event(_text(line))) is not None],
    )


def chunks(flat: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (flat[n : n + size] for n in range(0, len(flat), size))


def _waiting(flat: Sequence[Any]) -> list[Waiting]:
    return [
        Waiting(_text(ticket), Place(tag, seq), _text(user), int(tokens_in), int(tokens_out), queued)
        for ticket, tag, seq, user, tokens_in, tokens_out, queued in chunks(flat, 7)
    ]


def _event(line: str) -> Event | None:
    kind, at, *words = line.split(" ", 4)
    match kind:
        case "a":
            return Arrival(int(at), int(words[0]), words[1])
        case "w":
            return WaitEnded(int(at), int(words[0]) / 1000, words[1] == "1", words[2])
        case "s":
            return Service(int(at), int(words[0]) / 1000, int(words[1]), int(words[2]))
        case "p":
            return Closed(int(at), int(words[0]) / 1000)
    return None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
