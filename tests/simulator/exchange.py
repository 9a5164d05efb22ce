"""Ground truth: what one client asked, what it was sent, and when it left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulator.script import Script


@dataclass(slots=True)
class Exchange:
    """Times are `time.time()`. `outcome`: open, complete, refused, or the name of the fault that ended it."""

    number: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    script: Script
    method: str = "POST"
    #: Sent with the answer or the refusal, beside what every response has.
    reply_headers: dict[str, str] = field(default_factory=dict)
    #: Why it was not answered: the limit that was exceeded, or "paused".
    refused_for: str = ""
    #: Called for every token.
    on_sent: Callable[[], None] | None = None
    received_at: float = field(default_factory=time.time)
    first_text_at: float | None = None
    ended_at: float | None = None
    #: Set if the client closed the connection before the answer's end.
    client_closed_at: float | None = None
    outcome: str = "open"
    #: The tokens whose last byte was handed to the network.
    sent: list[str] = field(default_factory=list)

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def text(self) -> str:
        return "".join(self.sent)

    def end(self, outcome: str) -> None:
        if self.ended_at is None:
            self.outcome, self.ended_at = outcome, time.time()

    def client_left(self) -> None:
        if self.ended_at is None:
            self.client_closed_at = time.time()
            self.end("client_closed")

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "method": self.method,
            "path": self.path,
            "model": self.model,
            "headers": self.headers,
            "body": self.body,
            "received_at": self.received_at,
            "first_text_at": self.first_text_at,
            "ended_at": self.ended_at,
            "client_closed_at": self.client_closed_at,
            "outcome": self.outcome,
            "refused_for": self.refused_for,
            "tokens": len(self.sent),
            "text": self.text,
        }
