import asyncio
import statistics

from streaming.prompt import Prompt, PromptMessage
from streaming.providers.base import ModelEntry, Text
from streaming.providers.demo import DemoProvider

STREAMS, RATE, TOKENS = 500, 5.0, 10


async def test_500_demo_streams_in_one_process_keep_their_pace() -> None:
    provider, loop = DemoProvider(), asyncio.get_running_loop()
    entry = ModelEntry("demo", "Demo", "demo", "demo", options={"tokens_per_second": RATE, "first_token_s": 0.5})

    async def lateness(number: int) -> list[float]:
        # Spread over one gap, as people's requests are.
        await asyncio.sleep(number / STREAMS / RATE)
        start = loop.time()
        prompt = Prompt((PromptMessage("user", f"hello {number}"),), max_tokens=TOKENS)
        came = [loop.time() - start async for part in provider.stream(entry, prompt) if isinstance(part, Text)]
        return [at - 0.5 - index / RATE for index, at in enumerate(came)]

    streams = await asyncio.gather(*(lateness(number) for number in range(STREAMS)))
    late = sorted(seconds for stream in streams for seconds in stream)
    assert len(late) == STREAMS * TOKENS
    assert late[0] > -0.01
    # Who is late once is late for good where delays add up; a machine that stood still makes some tokens late.
    assert statistics.median(stream[-1] for stream in streams) < 0.1
    assert statistics.quantiles(late, n=100)[98] < 1.0
