"""N7: coming back costs what was missed, and a thousand may come back at once."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import rounds
from tests.bench.machine import NotMeasured, cpu_s, resident_kb
from tests.bench.processes import Helper
from tests.bench.query_count import queries
from tests.bench.report import Result, percentile
from tests.bench.rounds import check_faults
from tests.bench.site import People, Site
from tests.simulator import corpus

MIB = 1_048_576
RATE = 20
BACK_WITHIN_S = 120.0


def resuming(quick: bool) -> Result:
    result = Result("N7", "coming back to an answer, and 1,000 who come back at once")
    _costs(result, *((MIB // 16, 5) if quick else (MIB, 50)))
    _crowds(result, *((4, 10, 12) if quick else (20, 50, 40)))
    return result


# One who comes back, to an answer of 1 MiB


def _costs(result: Result, size: int, times: int) -> None:
    tokens = _tokens_of(size)
    with Site({"sim": f"sim-tokens={tokens},rate=20000"}) as site:
        people = site.people(1)
        with rounds.viewers(site, people) as load:
            load.do("ask", asks=[[0, 0, people.conversations[0], "question", "sim"]])
            load.do("wait", streams=1, timeout_s=150)
            site.settle()
            for missing in (0, size // 1000, size // 32, size // 4, -1):
                asked = {"viewer": 0, "port": site.port, "socket": people.sockets()[0], "missing": missing}
                seen = load.do("resume", times=times, **asked)
                check_faults(seen["faults"])
                _show(result, seen, whole=missing < 0)


def _tokens_of(size: int) -> int:
    """Of an answer that is as long as it may be."""
    lengths = itertools.accumulate(len(token.encode()) for token in corpus.tokens(size // 3, 0, False))
    return sum(length <= size for length in lengths)


def _show(result: Result, seen: dict[str, Any], *, whole: bool) -> None:
    what = f"{seen['missed']:,} bytes missed" if not whole else f"all {seen['missed']:,} bytes, by somebody new"
    result.add(f"{what}: p50", median(seen["took_ms"]), "ms")
    goal = {"at_most": 1000} if whole else {}
    result.add("… p95", percentile(seen["took_ms"], 95), "ms", **goal)
    # What is sent beyond the text: the answer to the command, the end, and a frame around each part.
    result.add("… sent for it", seen["sent"], "bytes", at_most=seen["missed"] * 1.25 + 2000)


# A web process is killed, and everybody comes back to the next one


@dataclass(slots=True)
class Return:
    took_s: list[float]
    tries: int
    #: Of the new web process, from its start until everybody was back.
    queries: int
    cpu_s: float
    #: What it has in memory then, beyond what the first one had before anybody came.
    grown_mb: float


def _crowds(result: Result, streams: int, viewers: int, seconds: int) -> None:
    for kind, how in (("rude", "all at once"), ("returning", "with the page's jitter")):
        seen = _crowd(kind, streams, viewers, seconds)
        count = len(seen.took_s)
        title = f"{streams * viewers:,} sockets on {streams} streams, web killed, {how}"
        result.add(f"{title}: back", count, "sockets", at_least=streams * viewers)
        result.add("… text again, after the kill: p50", median(seen.took_s), "s")
        result.add("… the last one", max(seen.took_s), "s", at_most=30)
        result.add("… queries per socket, its login included", seen.queries / count, "queries", at_most=4)
        result.add("… processor time of the new web process, its start included", seen.cpu_s, "CPU-s")
        result.add("… tries per socket", seen.tries / count, "tries")
        result.add("… memory of the new web process for them", seen.grown_mb, "MB", at_most=150)
    result.notes.append(
        "Each answer's text is checked against its sha256. The kill is SIGKILL of the only web process while all "
        f"streams run at {RATE} events/s; its restart by the supervisor is in the times. Errors are holes, error "
        "frames and texts that are not whole, not the tries that nobody answered. The queries are all of the new "
        "process until then: session and person at login, the right to read, and what the streams' readers share."
    )


def _crowd(kind: str, streams: int, viewers: int, seconds: int) -> Return:
    with (
        tempfile.TemporaryDirectory() as folder,
        Site(env={"BENCH_QUERIES": folder}) as site,
        Helper("tests.bench.load") as load,
        Helper("tests.bench.inside", "appender", env=site.env) as appender,
    ):
        empty_kb = resident_kb(site.pids()["web"])
        homes = [site.people(viewers, shared=True) for _ in range(streams)]
        sockets = [socket for home in homes for socket in home.sockets()]
        load.do("open", kind=kind, port=site.port, sockets=sockets, shared=True)
        seen = _killed(site, load, appender, homes, seconds, Path(folder))
        seen.grown_mb -= empty_kb / 1000
        return seen


def _killed(site: Site, load: Helper, appender: Helper, homes: list[People], seconds: int, folder: Path) -> Return:
    viewers, in_all = len(homes[0].ids), sum(len(home.ids) for home in homes)
    people, conversations = [home.ids[0] for home in homes], [home.conversations[0] for home in homes]
    begun = appender.do("begin", people=people, conversations=conversations)["generations"]
    load.do("follow", generations=[generation for generation in begun for _ in range(viewers)])
    appender.tell("paced", events=RATE * seconds, rate=RATE)
    time.sleep(3)
    killed, at_ns = site.pids()["web"], time.time_ns()
    os.kill(killed, signal.SIGKILL)
    back = load.do("back", viewers=in_all, since_ns=at_ns, timeout_s=BACK_WITHIN_S)
    web = site.pids()["web"]
    asked, used_s, holds_mb = queries(folder, web), cpu_s(web), resident_kb(web) / 1000
    check_faults(back["faults"])
    if not back["took_s"]:
        raise NotMeasured("nobody came back")
    appender.hear(seconds + BACK_WITHIN_S)
    appender.do("end")
    load.do("wait", streams=in_all, timeout_s=60)
    check_faults(load.do("take", tokens=False)["faults"])
    load.do("close")
    return Return(back["took_s"], back["tries"], asked, used_s, holds_mb)
