"""Both vendors' wire formats from one small server on loopback, with scripted text, pace and faults.

A request's script is its model name, so both SDKs can pass it unchanged: `sim-tokens=200,rate=20,fault=rst,at=10`
(`script.Script` has all words). In a test:

    async with Simulator() as simulator:
        entry = ModelEntry(..., base_url=simulator.base_url, model="sim-tokens=5")     # anthropic
        entry = ModelEntry(..., base_url=simulator.openai_url, model="sim-tokens=5")   # openai, both dialects
        ...
        assert simulator.exchanges[0].text == received

Responses asked for in background mode go on without their client (`stored.py`); `simulator.runs` has them.

It keeps both vendors' limits (`limits.py`): `simulator.limit(Allowance(requests_per_minute=20, concurrency=3))`, and
`quota.own_faults` says how many requests it had to refuse.

As a process: `python -m tests.simulator --port 0`, and what `control.py` lists.
"""

from tests.simulator.exchange import Exchange
from tests.simulator.limits import Allowance, Quota
from tests.simulator.script import Script
from tests.simulator.server import Simulator

__all__ = ["Allowance", "Exchange", "Quota", "Script", "Simulator"]
