"""N6: what an idle socket costs, and how many one web process holds."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from tests.bench.machine import CpuClock, NotMeasured, allow_files, resident_kb
from tests.bench.n_fanout import stock_web
from tests.bench.processes import Helper
from tests.bench.report import Result
from tests.bench.rounds import check_faults
from tests.bench.site import Site

#: What a process has open beside its sockets, generously.
OTHER_FILES = 500
OPENING_S = 600.0
WARM = 200


@dataclass(slots=True)
class Held:
    sockets: int
    kb_each: float
    #: Of the web process, for all of them, per second of idleness.
    cpu_share: float
    opened_per_s: float
    heartbeats: int


def idle_sockets(quick: bool) -> Result:
    count, hold_s = (300, 25) if quick else (10_000, 60)
    allow_files(count + OTHER_FILES)
    result = Result("N6", f"{count:,} idle authenticated sockets in one web process, one conversation each")
    with Site() as site:
        ours = _ours(site, count, hold_s)
        stock = _stock(site, count, hold_s)
    result.add(f"sockets held for {hold_s} s", ours.sockets, "sockets", at_least=count, baseline=stock.sockets)
    result.add("web's resident memory per socket", ours.kb_each, "KB", at_most=50, baseline=stock.kb_each)
    result.add("web's processor, all of them idle", ours.cpu_share * 100, "% of a core", baseline=stock.cpu_share * 100)
    result.add("opened per second, conversation included", ours.opened_per_s, "sockets/s", baseline=stock.opened_per_s)
    result.add("heartbeats answered meanwhile", ours.heartbeats, "heartbeats")
    result.notes.append(
        "A person, a session and a conversation for each; growth of the web process's memory from after a warm-up of "
        f"{WARM} sockets to the end of the hold. Baseline: a stock consumer that joins a group, without session and "
        "heartbeats, on the same server. Python only: what the kernel holds per socket is not in it."
    )
    return result


def _ours(site: Site, count: int, hold_s: float) -> Held:
    warm, people = site.people(WARM), site.people(count)
    with Helper("tests.bench.load") as load:
        load.do("open", kind="chat", port=site.port, sockets=warm.sockets(), shared=False)
        load.do("watch", conversations=warm.conversations)
        load.do("close")
    site.settle()
    web = site.pids()["web"]
    before = resident_kb(web)
    with Helper("tests.bench.load") as load:
        sockets = people.sockets()
        opened = load.do("open", within_s=OPENING_S, kind="chat", port=site.port, sockets=sockets, shared=False)
        watched = load.do("watch", within_s=OPENING_S, conversations=people.conversations)
        return _hold(load, web, before, opened["seconds"] + watched["seconds"], hold_s)


def _stock(site: Site, count: int, hold_s: float) -> Held:
    with stock_web(site) as (web, port):
        groups = [[f"/ws/{uuid4().hex}/", ""] for _ in range(WARM + count)]
        with Helper("tests.bench.load") as load:
            load.do("open", kind="stock", port=port, sockets=groups[:WARM], shared=False)
            load.do("close")
        site.settle()
        before = resident_kb(web)
        with Helper("tests.bench.load") as load:
            opened = load.do("open", within_s=OPENING_S, kind="stock", port=port, sockets=groups[WARM:], shared=False)
            return _hold(load, web, before, opened["seconds"], hold_s)


def _hold(load: Helper, web: int, before_kb: float, opening_s: float, hold_s: float) -> Held:
    clock = CpuClock({"web": web})
    held = load.do("hold", within_s=2 * hold_s + 60, seconds=hold_s)
    check_faults(held["faults"])
    if not held["open"]:
        raise NotMeasured("all sockets were closed")
    grown_kb = resident_kb(web) - before_kb
    share = clock.read()["web"] / hold_s
    return Held(held["open"], grown_kb / held["open"], share, held["open"] / opening_s, held["heartbeats"])
