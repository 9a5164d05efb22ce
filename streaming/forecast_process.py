"""`python -m streaming.forecast_process`: makes estimates for the process that started it, and ends with it.

Questions come in by standard input, pickled, and answers leave by standard output: a Told, or the traceback of what
failed. There is nothing to save, so the parent may kill it at any time; if the parent dies, standard input ends.
It needs neither Django nor Redis: 15 MB, 40 ms of processor time to start.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import signal
import sys
import traceback
from typing import BinaryIO, Final

from streaming.forecaster import Forecaster, Told

NICE: Final = 5
"""Where processors are short, text goes before estimates."""


def serve(questions: BinaryIO, answers: BinaryIO, forecaster: Forecaster) -> None:
    """Until the questions end."""
    while True:
        try:
            asked = pickle.load(questions)
        except EOFError:
            return
        answer: Told | str
        try:
            answer = forecaster.tell(asked)
        except Exception:
            answer = traceback.format_exc()
        try:
            pickle.dump(answer, answers)
            answers.flush()
        except BrokenPipeError:
            return


def main() -> None:
    # Signals to the whole group (Ctrl-C, a service manager) are for the parent, which may have answers to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not be taken for an answer
    with contextlib.suppress(OSError):
        os.nice(NICE)
    serve(sys.stdin.buffer, answers, Forecaster(random.random))
    with contextlib.suppress(BrokenPipeError):
        answers.close()


if __name__ == "__main__":
    main()
