"""N10: what faults cost people, in characters. The run and its rules are those of `manage.py chaos`."""

from __future__ import annotations

import asyncio

from tests.bench.report import Result
from tests.reliability import chaos

SEED = 10


def characters(quick: bool) -> Result:
    faults, minutes = (1, 0.25) if quick else (1000, 1.0)
    with chaos.chaos_stage(postgres=False) as (stage, simulator):
        asked = {"seed": SEED, "minutes": minutes, "faults": faults}
        seen = asyncio.run(chaos.run(stage, simulator, say=lambda line: None, folder=None, **asked))
    result = Result("N10", "lost or doubled characters under overlapping faults")
    result.add("faults injected", sum(seen.faults.values()), "faults", at_least=faults)
    result.add("answers with a lost, doubled or wrong character, other violations", len(seen.violations), "", at_most=0)
    result.add("… under the announced exception of law 5", len(seen.allowed), "")
    result.add("answers looked at", sum(seen.answers.values()), "answers")
    result.add("characters compared with what the model said", seen.characters, "characters")
    result.notes.append(f"The whole report: `manage.py chaos --seed {SEED} --minutes {minutes:g} --faults {faults}`.")
    result.notes += seen.violations[:10]
    return result
