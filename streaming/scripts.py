"""Lua scripts of `streaming/lua`: loaded once, called by their hash. A script may be joined from several files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError


class Script:
    def __init__(self, *names: str) -> None:
        folder = files("streaming").joinpath("lua")
        self.source = "\n".join(folder.joinpath(f"{name}.lua").read_text() for name in names)
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    async def call(self, client: Redis, names: Sequence[str], *arguments: Any) -> Any:
        try:
            return await client.evalsha(self.sha, len(names), *names, *arguments)
        except NoScriptError:  # the server is new, or was restarted
            return await client.eval(self.source, len(names), *names, *arguments)


@cache
def script(*names: str) -> Script:
    """The script joined from these files."""
    return Script(*names)
