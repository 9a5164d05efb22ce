"""Answers that nobody has rendered yet, or only an older version: done when somebody looks, and kept.

Only where a thread of its own may take its time (the pages); sockets leave such an answer to the page's preview.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from chat.events import MessageData
from chat.models import Message
from streaming import services
from streaming.answer_blocks import answer_html, render_answer
from streaming.states import TERMINAL

BUDGET_S: Final = 0.5
"""Per page; what is left is rendered for the next one."""


def render_late(messages: Iterable[MessageData]) -> None:
    """Give `html` to the answers among them that lack it, the newest first, as long as there is time."""
    ends_at = time.monotonic() + BUDGET_S
    for message in reversed(list(messages)):
        if not _lacks_html(message) or time.monotonic() > ends_at:
            continue
        generation = message["generation"]
        blocks = render_answer(message["text"])
        message["html"] = answer_html(message["text"], blocks)
        if generation is not None:
            services.keep_blocks(generation["id"], message["text"], blocks)


def _lacks_html(message: MessageData) -> bool:
    generation = message["generation"]  # copies have none: rendered for each page anew
    ended = message["role"] == Message.Role.ASSISTANT if generation is None else generation["status"] in TERMINAL
    return ended and message["html"] is None and bool(message["text"].strip())
