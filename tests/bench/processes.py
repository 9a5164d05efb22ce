"""Helpers' processes: each is told what to do in JSON lines and answers with one line."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.bench.machine import NotMeasured

BASE_DIR = Path(__file__).resolve().parent.parent.parent
ANSWER_S = 180.0
STOP_S = 10.0


class Helper:
    """`with Helper("tests.bench.load") as load: load.do("open", …)`; several may work at once with tell and hear."""

    def __init__(self, module: str, *words: str, env: Mapping[str, str] | None = None) -> None:
        self._words = [sys.executable, "-m", module, *words]
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes]
        self._buffer = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._words, cwd=BASE_DIR, env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_S if kind is None else 1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def do(self, what: str, *, within_s: float = ANSWER_S, **fields: Any) -> dict[str, Any]:
        self.tell(what, **fields)
        return self.hear(within_s)

    def tell(self, what: str, **fields: Any) -> None:
        assert self._process.stdin is not None
        data = memoryview(json.dumps({"do": what, **fields}).encode() + b"\n")
        try:
            while data:
                data = data[self._process.stdin.write(data) :]
        except BrokenPipeError:
            raise NotMeasured(f"{self._words[2]} ended by itself") from None

    def hear(self, timeout_s: float = ANSWER_S) -> dict[str, Any]:
        """The next answer. Raises NotMeasured."""
        answer: dict[str, Any] = json.loads(self.line(timeout_s))
        if "failed" in answer:
            raise NotMeasured(f"{self._words[2]}: {answer['failed']}")
        return answer

    def line(self, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise NotMeasured(f"{self._words[2]} did not answer within {timeout_s:g} s")
                data = os.read(self._process.stdout.fileno(), 1 << 20)
                if not data:
                    raise NotMeasured(f"{self._words[2]} ended by itself")
                self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line
