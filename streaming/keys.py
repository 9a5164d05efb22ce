"""Every Redis key of ours: pattern, type, TTL and owner. No other module spells a key.

    key                      type     TTL                    owner
    s:{<id>}:meta            hash     log_ttl_s, per write   replay_log (begin, append, stop)
    s:{<id>}:log             stream   log_ttl_s, per write   replay_log
    s:{<id>}:stop            string   log_ttl_s              replay_log (a stop before the log began)
    worker:<id>              string   10 s, renewed 2.5 s    worker_slots: this process is alive
    worker:<id>:order        string   1 day, per reading     worker_orders: what an administrator ordered it
    workers:known            set      7 days, renewed 2.5 s  worker_slots: whose lease to look for
    workers:watch            hash     60 s, renewed 2 s      witness: since when leases are watched without a break
    web:<id>                 string   10 s, renewed 3 s      web_now: what a web process says of itself
    web:<id>:viewers         hash     10 s, renewed 3 s      web_now: the viewers of each stream there
    webs:known               set      7 days, renewed 3 s    web_now: whose word to look for
    load:<id>                hash     1 h                    load: what all processes counted in the minute <id>
    pacer:leader             string   5 s, renewed 1 s       pacer
    present:<id>             zset     50 s, renewed 20 s     presence: who is in group <id>, and until when
    rate:<id>                string   its period             request_rates: when all requests are paid back
    lane:{<lane>}:<part>     8 keys   7 days, per operation  lane_store; parts and types: lua/lane_state.lua

The braces are a hash tag: all keys of one generation, and of one lane, live in one slot of a cluster.
The channel layer's own channels are named in `fanout`; Celery's list belongs to Celery.
"""

from __future__ import annotations

PACER_LEADER = "pacer:leader"
WORKER_WATCH = "workers:watch"
WORKERS_KNOWN = "workers:known"
WEBS_KNOWN = "webs:known"


def stream_meta(generation_id: str) -> str:
    return f"s:{{{generation_id}}}:meta"


def stream_log(generation_id: str) -> str:
    return f"s:{{{generation_id}}}:log"


def stream_stop(generation_id: str) -> str:
    return f"s:{{{generation_id}}}:stop"


def worker_lease(worker_id: str) -> str:
    return f"worker:{worker_id}"


def worker_order(worker_id: str) -> str:
    return f"worker:{worker_id}:order"


def web_lease(web_id: str) -> str:
    return f"web:{web_id}"


def web_viewers(web_id: str) -> str:
    return f"web:{web_id}:viewers"


def presence(group: str) -> str:
    return f"present:{group}"


def request_rate(name: str) -> str:
    return f"rate:{name}"


def load(minute: int) -> str:
    return f"load:{minute}"


_LANE_PARTS = ("state", "order", "parked", "inflight", "tickets", "users", "finish", "history")


def lane(name: str) -> list[str]:
    """All keys of a lane, in the order of its scripts' KEYS."""
    return [f"lane:{{{name}}}:{part}" for part in _LANE_PARTS]
