"""The process that makes estimates, as the pacer's holder sees it: started with the first question, replaced if it
dies or does not answer, ended when another process leads. Nothing is lost with it but what it had learned.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from streaming.forecaster import Question, Told

log = logging.getLogger(__name__)

ROOT: Final = Path(__file__).resolve().parent.parent
COMMAND: Final = (sys.executable, "-m", "streaming.forecast_process")
ANSWER_S: Final = 20.0
"""An answer takes a twentieth of a second, on a starved machine some seconds."""


class NoForecast(Exception):
    """The lane's next question must bring all of its history."""


class Forecasts:
    """`run` counts the processes: another one knows nothing of what its predecessor was told."""

    def __init__(self) -> None:
        self.run = 0
        self._child: _Child | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    async def ask(self, asked: Question, run: int) -> Told:
        """`run`: whom the question was made for."""
        async with self._one_at_a_time:
            if run != self.run:
                raise NoForecast("the process is another one by now")
            self._child = self._child or _Child()
            try:
                async with asyncio.timeout(ANSWER_S):
                    answer = await asyncio.get_running_loop().run_in_executor(
                        self._child.thread, self._child.ask, asked
                    )
            except (OSError, EOFError, TimeoutError, pickle.PickleError) as error:
                self.end()
                raise NoForecast(f"the process is gone: {type(error).__name__}") from error
            except asyncio.CancelledError:
                self.end()  # its answer would be taken for that of the next question
                raise
        if isinstance(answer, Told):
            return answer
        log.error("an estimate of lane %s failed:\n%s", asked.lane, answer)
        raise NoForecast("it failed")

    def end(self) -> None:
        """Does not wait. The next question starts another one."""
        child, self._child = self._child, None
        if child is not None:
            self.run += 1
            child.end()


class _Child:
    """Its thread does what blocks: starting it, asking it, waiting for its end."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="forecasts")
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def ask(self, asked: Question) -> Told | str:
        process = self._process = self._process or _start()
        if self._ended:  # while it was being started
            process.kill()
        assert process.stdin is not None
        assert process.stdout is not None
        pickle.dump(asked, process.stdin)
        process.stdin.flush()
        answer: Told | str = pickle.load(process.stdout)
        return answer

    def end(self) -> None:
        self._ended = True
        if self._process is not None:
            self._process.kill()  # an exchange that hangs ends with it
        self.thread.submit(self._bury)
        self.thread.shutdown(wait=False)

    def _bury(self) -> None:
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(BrokenPipeError), self._process:  # closes its pipes, and waits
                pass


def _start() -> subprocess.Popen[bytes]:
    """It finds its modules where this process found them."""
    return subprocess.Popen(COMMAND, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
