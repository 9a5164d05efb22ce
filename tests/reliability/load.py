"""People who ask continually, whatever happens: one asks in each conversation, and tabs follow the answers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

from tests.acceptance.chat_client import CommandFailed
from tests.reliability.reader import AWAY, Reader

TABS_EACH = 5
#: Of one question until it is accepted, however often it must be sent.
ACCEPTED_WITHIN_S = 180.0

GOOD = (
    "sim-tokens=150+rate=20+repeat=30+seed=1",
    "sim-tokens=500+rate=25+repeat=40+seed=2",
    "sim-tokens=60+rate=40+repeat=0+seed=3",
    "sim-tokens=900+rate=30+repeat=50+seed=4",
)
#: The provider's own faults: once each per scene, and one that never gets better.
FAULTY = (
    "sim-tokens=120+rate=30+repeat=30+fault=429+wait=1+times=1+seed=5",
    "sim-tokens=120+rate=30+repeat=30+fault=500+times=1+seed=6",
    "sim-tokens=200+rate=30+repeat=30+fault=rst+times=1+seed=7",
    "sim-tokens=200+rate=30+repeat=30+fault=fin+times=1+seed=8",
    "sim-tokens=200+rate=30+repeat=30+fault=clean+times=1+seed=9",
    "sim-tokens=200+rate=30+repeat=30+fault=overloaded+times=1+seed=10",
    "sim-tokens=200+rate=30+repeat=30+fault=badjson+times=1+seed=11",
    "sim-tokens=160+rate=30+repeat=30+fault=stall+times=1+seed=12",
    "sim-tokens=160+rate=30+repeat=30+fault=rst+seed=13",
)
MODELS = GOOD + FAULTY
#: For a scene that must be over soon.
SHORT = tuple(model for model in MODELS if not any(word in model for word in ("stall", "tokens=500", "tokens=900")))
#: Every so many questions go to a provider that fails.
FAULTY_SHARE = 0.3


@dataclass(slots=True)
class Place:
    """One conversation: who asks there, and who else has it open."""

    conversation: str
    asker: Reader
    others: list[Reader]


@dataclass(slots=True)
class Asked:
    """`number` is written in the question, so that the provider's log tells whose request it was."""

    stream: str
    model: str
    number: str
    at: float
    asker: Reader


@dataclass(slots=True)
class Load:
    places: list[Place]
    seed: str
    models: tuple[str, ...] = MODELS
    asked: dict[str, Asked] = field(default_factory=dict)
    #: Why questions were refused for the moment, by code.
    put_off: Counter[str] = field(default_factory=Counter)
    #: Questions that were refused for good, or not accepted in time: never right.
    refused: list[str] = field(default_factory=list)
    _resting: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Until `rest`; then each waits for the end of what was asked last."""
        await asyncio.gather(*(self._ask_on(place, number) for number, place in enumerate(self.places)))

    def rest(self) -> None:
        self._resting.set()

    def live(self) -> list[Asked]:
        return [asked for asked in self.asked.values() if asked.asker.view(asked.stream).end is None]

    async def _ask_on(self, place: Place, number: int) -> None:
        chance = random.Random(f"{self.seed} place {number}")
        while not self._resting.is_set():
            kinds = FAULTY if chance.random() < FAULTY_SHARE else GOOD
            model = chance.choice([model for model in kinds if model in self.models])
            asked = await self._ask(place, model)
            if asked is None:
                return
            for reader in {place.asker, *place.others}:
                await reader.follow_stream(asked.stream)
            with contextlib.suppress(AssertionError):  # the judge will say so
                await place.asker.ended_somewhere(asked.stream, 180)
            await asyncio.sleep(chance.uniform(0.0, 0.5))

    async def _ask(self, place: Place, model: str) -> Asked | None:
        """The same message, again and again until it is accepted: it must become one question."""
        number, deadline = uuid.uuid4().hex, time.monotonic() + ACCEPTED_WITHIN_S
        fields = {"model": model, "client_message_id": number}
        why = ""
        while time.monotonic() < deadline:
            try:
                stream = await place.asker.ask(place.conversation, f"question {number}", **fields)
                if stream:
                    return self.asked.setdefault(stream, Asked(stream, model, number, time.monotonic(), place.asker))
                why = "pending"
            except CommandFailed as error:
                why = error.code
                if not error.frame.get("retryable"):
                    break
            except (*AWAY, ConnectionError) as error:
                why = type(error).__name__
            self.put_off[why] += 1
            await asyncio.sleep(0.3)
        self.refused.append(f"question {number} of {place.asker.name}: {why}")
        return None
