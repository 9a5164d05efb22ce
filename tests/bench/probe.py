"""Stamps inside the worker, for the parts of a delay: when text was fed, and when its event was frozen.

An app that only a benchmark's site installs. It wraps two methods of the product, for about a microsecond each, and
writes one line per stream to the file named by BENCH_PROBE:

    {"generation": …, "fed": [[tokens, ns], …], "frozen": [[seq, ns], …]}
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from django.apps import AppConfig

from tests.bench.followed import STAMP


class Probe(AppConfig):
    name = "tests.bench.probe"
    label = "bench_probe"

    def ready(self) -> None:
        from streaming.publisher import Publisher
        from streaming.writer import StreamWriter

        fed: dict[Any, list[tuple[str, int]]] = {}
        frozen: dict[Any, list[tuple[int, int]]] = {}
        feed, freeze, close = StreamWriter.feed, StreamWriter.freeze, Publisher.close

        def stamped_feed(writer: StreamWriter, text: str) -> None:
            fed.setdefault(writer, []).append((text, time.time_ns()))
            feed(writer, text)

        def stamped_freeze(writer: StreamWriter, now: float) -> Any:
            known = writer.frozen
            event = freeze(writer, now)
            if event is not None and event is not known:
                frozen.setdefault(writer, []).append((event.seq, time.time_ns()))
            return event

        def recording_close(publisher: Publisher, writer: StreamWriter) -> None:
            close(publisher, writer)
            texts = [(len(STAMP.findall(text)), at) for text, at in fed.pop(writer, [])]
            line = {"generation": writer.generation_id, "fed": texts, "frozen": frozen.pop(writer, [])}
            with open(os.environ["BENCH_PROBE"], "a") as file:
                file.write(json.dumps(line) + "\n")

        StreamWriter.feed, StreamWriter.freeze = stamped_feed, stamped_freeze  # type: ignore[method-assign]
        Publisher.close = recording_close  # type: ignore[method-assign]
