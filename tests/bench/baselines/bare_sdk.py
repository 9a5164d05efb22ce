"""Iterates OpenAI's SDK and only notes when the text came: what an answer costs before any platform.

run   {base_url, model, streams, arrive_s}   so many answers, begun evenly over `arrive_s`
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any

import httpx2
import openai
import uvloop

CONNECTIONS = 1000
STAMP = re.compile(r"@(\d{19});")
#: The question, when it was asked, and each text with its arrival.
Answer = tuple[str, int, list[tuple[int, str]]]


async def run(client: openai.AsyncOpenAI, model: str, streams: int, arrive_s: float) -> dict[str, Any]:
    started, cpu = time.monotonic(), time.process_time()
    answers = await asyncio.gather(*(one(client, model, n, n / streams * arrive_s) for n in range(streams)))
    seconds, cpu_s = time.monotonic() - started, time.process_time() - cpu
    delays_ms = [
        (arrived - int(stamp)) / 1e6
        for _, _, texts in answers
        for arrived, text in texts
        for stamp in STAMP.findall(text)
    ]
    return {
        "tokens": sum(len(texts) for _, _, texts in answers),
        "seconds": seconds,
        "cpu_s": cpu_s,
        "delays_ms": delays_ms,
        "first_text_ms": {question: (texts[0][0] - asked) / 1e6 for question, asked, texts in answers},
    }


async def one(client: openai.AsyncOpenAI, model: str, number: int, at_s: float) -> Answer:
    await asyncio.sleep(at_s)
    question, texts = f"bare question {number}", []
    messages: Any = [{"role": "user", "content": question}]
    asked = time.time_ns()
    async for chunk in await client.chat.completions.create(model=model, messages=messages, stream=True):
        if chunk.choices and (text := chunk.choices[0].delta.content):
            texts.append((time.time_ns(), text))
    return question, asked, texts


async def serve() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    client: openai.AsyncOpenAI | None = None
    while line := await reader.readline():
        command = json.loads(line)
        if client is None:
            limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
            http = httpx2.AsyncClient(limits=limits, timeout=60)
            client = openai.AsyncOpenAI(api_key="none", base_url=command["base_url"], max_retries=0, http_client=http)
        answer = await run(client, command["model"], command["streams"], command["arrive_s"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
