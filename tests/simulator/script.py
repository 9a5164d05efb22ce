"""What the simulator does for one request, read from the model name."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

PREFIX = "sim-"

#: Answered with a status instead of a stream: fault → HTTP status.
REFUSALS = {
    "400": 400,
    "401": 401,
    "402": 402,
    "403": 403,
    "404": 404,
    "413": 413,
    "429": 429,
    "500": 500,
    "502": 502,
    "503": 503,
    "529": 529,
    "context": 400,  # the prompt is too long
    "spend": 429,  # the account has reached its spending limit
}
#: Instead of a stream, with a status that looks fine or leads away.
IMPOSTORS = ("html", "json200", "redirect")
#: In the middle of the text, before token number `at`.
CUTS = {
    "error": "the vendor's own error event",
    "overloaded": "the vendor's own error event for overload",
    "failed": "responses: the event response.failed; else as `error`",
    "rst": "the connection is reset",
    "fin": "the connection is closed in the middle of the body",
    "clean": "the body ends properly, without the end marker",
    "badjson": "an event that is not JSON",
    "badutf8": "an event that is not UTF-8",
    "badshape": "an event that is JSON but not an object",
    "stall": "nothing more, until the client leaves",
}
#: The answer is whole, what is around it is not.
ODDITIES = {
    "empty": "no text, a proper end",
    "unknown": "events of a type that nobody knows, before every token",
    "hang": "the end marker comes, the end of the body does not",
    "nousage": "no token counts anywhere",
}


@dataclass(frozen=True, slots=True)
class Script:
    #: Tokens of the answer, and how many a second (0: as fast as the client reads).
    tokens: int = 100
    #: Tokens of the prompt, as usage and limits count them; three of them were cached.
    input: int = 12
    rate: float = 0.0
    #: Seconds before the response's head, and from there to the first token.
    headers: float = 0.0
    first: float = 0.0
    #: One of the above; "" is a good answer. `at`: before which token (default: half way).
    fault: str = ""
    at: int = -1
    #: Only the first so many requests with this exact model name have the fault (0: all).
    times: int = 0
    #: Refusals say `Retry-After`: so many seconds (-1: nothing), with `date=1` as an HTTP date.
    wait: float = -1.0
    date: int = 0
    #: The text: another seed is another text; `unicode=1` has ZWJ emoji, \r\n and three-byte signs in it.
    seed: int = 0
    unicode: int = 0
    #: A blank line instead of every so many-th token (0: none).
    paragraph: int = 0
    #: `stamp=1`: each token begins with "@<time.time_ns() of its sending>;".
    stamp: int = 0
    #: Characters of token number `at` (0: like the others).
    big: int = 0
    #: `split=1`: every byte travels in an HTTP chunk of its own.
    split: int = 0
    #: Thoughts before the text, and a keep-alive (ping, comment) before every so many tokens.
    thoughts: int = 0
    ping: int = 0
    #: The vendor's reason of the end: stop, length, content_filter.
    reason: str = "stop"
    #: Asked to go on with its own answer, it repeats so many characters and goes on (-1: it begins again).
    repeat: int = -1
    #: Background mode: reading the run again is refused with this status (0: never).
    gone: int = 0
    #: Without pace: tokens per write.
    burst: int = 16

    @property
    def fault_at(self) -> int:
        return self.at if self.at >= 0 else self.tokens // 2


def parse(model: str) -> Script:
    """The script in a model name. A name without one gets the default; ValueError for a word that does not exist."""
    if not model.startswith(PREFIX):
        return Script()
    defaults: dict[str, Any] = {field.name: field.default for field in fields(Script)}
    values: dict[str, Any] = {}
    # A plus may stand for each comma: lists of model names in the environment are separated by commas.
    for pair in model.removeprefix(PREFIX).replace("+", ",").split(","):
        name, _, value = pair.partition("=")
        if name not in defaults:
            raise ValueError(f"the simulator knows no {name!r}")
        values[name] = type(defaults[name])(value)
    script = Script(**values)
    if script.fault and script.fault not in {*REFUSALS, *IMPOSTORS, *CUTS, *ODDITIES}:
        raise ValueError(f"the simulator knows no fault {script.fault!r}")
    return script
