"""The questions to a starting demo."""

import pytest

from chatsite.demo import probes
from chatsite.demo.options import DemoError


async def test_what_is_missing_is_named_as_it_is_at_the_end() -> None:
    starting = ["web 1", "worker 1"]

    async def all_answer() -> bool:
        starting[:] = ["worker 1"]
        return False

    with pytest.raises(DemoError, match=r"^worker 1 did not answer within 0\.1 s\.$"):
        await probes.until(all_answer, lambda: ", ".join(starting), 0.1)
