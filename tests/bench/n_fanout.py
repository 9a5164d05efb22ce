"""N1 and N2: one web process that hands events to sockets, against consumers that each join the group."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from chatsite.demo import commands
from chatsite.demo.options import listen
from tests.bench.machine import CpuClock, NotMeasured
from tests.bench.processes import BASE_DIR, Helper
from tests.bench.report import Result
from tests.bench.rounds import check_faults
from tests.bench.site import People, Site

RATE = 20
OURS, STOCK = "chatsite.asgi:application", "tests.bench.baselines.stock_site:application"


@dataclass(slots=True)
class FanOut:
    """What one round cost, and how it went."""

    web_s: float
    load_s: float
    valkey_s: float
    #: Events that viewers applied, and the seconds from the first to the last of them.
    events: int
    seconds: float

    @property
    def per_event_us(self) -> float:
        return self.web_s / self.events * 1e6

    @property
    def per_s(self) -> float:
        return self.events / self.seconds


def one_to_many(quick: bool) -> Result:
    """N1: a burst, then token speed."""
    viewers, burst, paced_s = (50, 200, 3) if quick else (1000, 600, 20)
    result = Result("N1", f"fan-out: 1 stream × {viewers:,} viewers in one web process")
    rounds: list[dict[str, Any]] = [{"do": "paced", "events": RATE, "rate": RATE}]  # warm-up
    rounds += [{"do": "burst", "events": burst}] * (1 if quick else 3)
    rounds += [{"do": "paced", "events": RATE * paced_s, "rate": RATE}]
    with Site() as site:
        ours = _ours(site, rounds, streams=1, viewers=viewers)
        stock = _stock(site, rounds, streams=1, viewers=viewers)
    best, best_stock = (max(one[1:-1], key=lambda round_: round_.per_s) for one in (ours, stock))
    result.add("burst: events applied per second", best.per_s, "events/s", at_least=120_000, baseline=best_stock.per_s)
    mine, other = ours[-1], stock[-1]
    result.add("token speed: web's time per frame", mine.per_event_us, "µs", baseline=other.per_event_us)
    result.add("… as a share of the stock idiom", mine.per_event_us / other.per_event_us, "×", at_most=0.25)
    result.add("token speed: load client's time per frame", mine.load_s / mine.events * 1e6, "µs")
    result.notes.append(
        f"burst: {burst} events, best of {len(ours) - 2}; token speed: {RATE}/s for {paced_s} s. Ours with sessions, "
        "window, acks and heartbeats on; stock without any of them. Warm-up: 1 s at token speed."
    )
    return result


def many_to_one(quick: bool) -> Result:
    """N2: 200 streams with a viewer each."""
    streams, paced_s = (20, 3) if quick else (200, 20)
    result = Result("N2", f"fan-out: {streams} streams × 1 viewer at {RATE} events/s")
    rounds: list[dict[str, Any]] = [
        {"do": "paced", "events": RATE, "rate": RATE},
        {"do": "paced", "events": RATE * paced_s, "rate": RATE},
    ]
    with Site() as site:
        mine = _ours(site, rounds, streams=streams, viewers=streams)[-1]
        other = _stock(site, rounds, streams=streams, viewers=streams)[-1]
    result.add("web's time per event", mine.per_event_us, "µs", baseline=other.per_event_us)
    result.add("… as a share of the stock idiom", mine.per_event_us / other.per_event_us, "×", at_most=0.6)
    valkey_us, stock_valkey_us = (one.valkey_s / one.events * 1e6 for one in (mine, other))
    result.add("Valkey's time per event", valkey_us, "µs", baseline=stock_valkey_us)
    result.notes.append(
        f"{RATE} events/s per stream for {paced_s} s, the streams' turns spread over the period; ours is also logged "
        "and has sessions, acks and heartbeats. Warm-up: 1 s."
    )
    return result


def _ours(site: Site, rounds: list[dict[str, Any]], *, streams: int, viewers: int) -> list[FanOut]:
    people = site.people(viewers, shared=streams == 1)
    measured = []
    with Helper("tests.bench.load") as load, Helper("tests.bench.inside", "appender", env=site.env) as appender:
        load.do("open", kind="chat", port=site.port, sockets=people.sockets(), shared=streams == 1)
        for round_ in rounds:
            generations = _begin(appender, people, streams)
            load.do("follow", generations=generations * (viewers // streams))
            measured.append(_round(load, appender, round_, viewers, site.pids()["web"], site.pids()["valkey"]))
        load.do("close")
    return measured


def _begin(appender: Helper, people: People, streams: int) -> list[str]:
    begun = appender.do("begin", people=people.ids[:streams], conversations=people.conversations[:streams])
    generations: list[str] = begun["generations"]
    return generations


def _stock(site: Site, rounds: list[dict[str, Any]], *, streams: int, viewers: int) -> list[FanOut]:
    measured = []
    with stock_web(site) as (web, port), Helper("tests.bench.baselines.stock_publish", env=site.env) as publisher:
        for round_ in rounds:
            with Helper("tests.bench.load") as load:
                groups = [uuid4().hex for _ in range(streams)]
                sockets = [[f"/ws/{group}/", ""] for group in groups * (viewers // streams)]
                load.do("open", kind="stock", port=port, sockets=sockets, shared=streams == 1)
                site.settle()  # group_add returns before it is done
                told = {**round_, "groups": groups}
                measured.append(_round(load, publisher, told, viewers, web, site.pids()["valkey"]))
                load.do("close")
    return measured


def _round(load: Helper, publisher: Helper, told: dict[str, Any], viewers: int, web: int, valkey: int) -> FanOut:
    clock = CpuClock({"web": web, "valkey": valkey, "load": load.pid})
    publisher.do(**{"what": told["do"]}, **{key: value for key, value in told.items() if key != "do"})
    publisher.do("end")
    load.do("wait", streams=viewers, timeout_s=60)
    cpu_s = clock.read()
    taken = load.do("take", tokens=False)
    check_faults(taken["faults"])
    seen = taken["streams"]
    events = sum(stream["events"] for stream in seen)
    if events != told["events"] * viewers:
        raise NotMeasured(f"{events:,} events applied of {told['events'] * viewers:,}")
    seconds = (max(stream["last_ns"] for stream in seen) - min(stream["first_ns"] for stream in seen)) / 1e9
    return FanOut(cpu_s["web"], cpu_s["load"], cpu_s["valkey"], events, seconds)


@contextlib.contextmanager
def stock_web(site: Site) -> Iterator[tuple[int, int]]:
    """The stock idiom's web process and its port: the same server with the same flags on the same Valkey."""
    with contextlib.closing(listen("127.0.0.1", 0)) as listener:
        words = [STOCK if word == OURS else word for word in commands.web_words(listener.fileno())]
        process = subprocess.Popen(words, cwd=BASE_DIR, env=site.env, pass_fds=[listener.fileno()])
        try:
            yield process.pid, listener.getsockname()[1]
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
