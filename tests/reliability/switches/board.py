"""The switches themselves: a file in a folder that tests and processes share. It is there: the switch is on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = "SWITCHES"  # in the environment of the processes


class Board:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of_this_process(cls) -> Board:
        return cls(Path(os.environ[FOLDER]))

    def __contains__(self, name: str) -> bool:
        return (self.folder / name).exists()

    def set(self, name: str) -> None:
        (self.folder / name).touch()

    def clear(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def on(self, *names: str) -> Iterator[None]:
        for name in names:
            self.set(name)
        try:
            yield
        finally:
            for name in names:
                self.clear(name)
