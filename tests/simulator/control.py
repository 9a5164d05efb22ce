"""What a test asks the simulator's process beside what it answers as a vendor.

GET /health   GET /log   DELETE /log
GET /limits                     what each group of models was asked, answered and refused (`Quota.seen`)
POST /limits {"model", …}       a model (or "*": all others together) gets these limits (`Allowance`), new and full
DELETE /limits                  the counts begin again
POST /pace {"model", "rate"}    its answers, also those that run, go on at so many tokens a second from now on (0: as
                                fast as they are read), without a first wait; null: as the model's name says
POST /pause {"model", "status", "seconds", "is_named"}   refuses everything so long
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.simulator.limits import Allowance

if TYPE_CHECKING:
    from tests.simulator.server import Simulator


def control(simulator: Simulator, method: str, path: str, body: bytes) -> Any:
    """The answer, None if this is nothing for us. ValueError for words that do not exist."""
    match method, path:
        case "GET", "/health":
            return {"ok": True}
        case "GET", "/log":
            return [exchange.as_json() for exchange in simulator.exchanges]
        case "GET", "/limits":
            return {model: quota.seen() for model, quota in simulator.quotas.items()}
        case "DELETE", "/log":
            simulator.forget()
        case "DELETE", "/limits":
            for quota in simulator.quotas.values():
                quota.forget()
        case "POST", "/limits":
            words = json.loads(body)
            model = words.pop("model", "*")
            simulator.limit(Allowance.of(words), model)
        case "POST", "/pace":
            words = json.loads(body)
            simulator.pace(words["model"], words["rate"])
        case "POST", "/pause":
            words = json.loads(body)
            quota = simulator.quota(words.get("model", "*"))
            quota.pause(words["status"], words["seconds"], is_named=words.get("is_named", True))
        case _:
            return None
    return {"ok": True}
