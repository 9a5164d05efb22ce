"""What the demo model says: pure text, a function of the prompt and a seed alone.

The words in `Scenario` are looked for in the last message. Text that somebody will look at is written to be read.
"""

from __future__ import annotations

import enum
import hashlib
import random
import re

from streaming.prompt import Prompt

ECHO_MAX_CHARS = 80
TITLE_WORDS = 4
LONG_SECTIONS = 8


class Scenario(enum.Enum):
    """A word that changes the answer; the value is how it may be spelled."""

    MARKDOWN = r"markdown"
    CODE = r"code"
    UNICODE = r"unicode"
    LONG = r"long"
    SLOW = r"slow"
    STALL = r"stall"
    ERROR = r"error"
    RATE_LIMIT = r"rate[ -]?limit"
    EMPTY = r"empty"


_WORDS = {scenario: re.compile(rf"\b{scenario.value}\b", re.IGNORECASE) for scenario in Scenario}
#: A word with the space before it, punctuation, or white space: about what a tokenizer makes.
_PIECE = re.compile(r"\s?\w{1,7}|\s?[^\w\s]{1,3}|\s")


def scenarios(prompt: Prompt) -> frozenset[Scenario]:
    """The scenario words of the last message."""
    if _asks_for_a_title(prompt):
        return frozenset()
    question = _question(prompt)
    return frozenset(scenario for scenario, word in _WORDS.items() if word.search(question))


def answer(prompt: Prompt, seed: int = 0) -> str:
    """The whole answer. Equal prompts and seeds give equal answers, in every process."""
    if _asks_for_a_title(prompt):
        return _title(prompt)
    words = scenarios(prompt)
    if Scenario.EMPTY in words:
        return ""
    choose = random.Random(fingerprint(prompt, seed))
    shown = [text for scenario, text in _SHOWN.items() if scenario in words]
    body = "\n\n".join(shown) if shown else _EXPLANATION
    if Scenario.LONG in words:
        body += "\n\n" + _long(choose)
    return f"{choose.choice(_OPENINGS)} {_echo(prompt)}\n\n{body}\n\n{choose.choice(_CLOSINGS)}\n"


def pieces(text: str, *, fine: bool = False) -> list[str]:
    """The text in deltas. `fine`: two code points each, so that emoji, accents and line ends come in parts."""
    return [text[at : at + 2] for at in range(0, len(text), 2)] if fine else _PIECE.findall(text)


def fingerprint(prompt: Prompt, seed: int = 0) -> str:
    """Names a prompt without keeping it."""
    digest = hashlib.sha256(f"{seed}\0{prompt.system}".encode())
    for message in prompt.messages:
        digest.update(f"\0{message.role}\0{message.text}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _asks_for_a_title(prompt: Prompt) -> bool:
    return prompt.system.startswith("Write a title")


def _title(prompt: Prompt) -> str:
    """The longest words of the question, in their order."""
    words = re.findall(r"\w+", _question(prompt).removeprefix("Question:").partition("Answer:")[0])
    longest = sorted(dict.fromkeys(words), key=len, reverse=True)[:TITLE_WORDS]
    title = " ".join(word for word in dict.fromkeys(words) if word in longest)
    return title[:1].upper() + title[1:]


def _question(prompt: Prompt) -> str:
    return prompt.messages[-1].text if prompt.messages else ""


def _echo(prompt: Prompt) -> str:
    question = " ".join(_question(prompt).split())
    if len(question) > ECHO_MAX_CHARS:
        question = question[:ECHO_MAX_CHARS].rsplit(" ", 1)[0] + " …"
    asked = sum(message.role == "user" for message in prompt.messages)
    before = f" (your message number {asked} here; I was sent all of them)" if asked > 1 else ""
    return f"You wrote “{question}”{before}." if question else "You wrote nothing that I can quote."


def _long(choose: random.Random) -> str:
    return "\n\n".join(
        f"## {number}. {title}\n\n{' '.join(choose.sample(_SENTENCES, len(_SENTENCES)))}"
        for number, title in zip(range(1, LONG_SECTIONS + 1), _TITLES * 2, strict=False)
    )


_OPENINGS = (
    "Hello, this is the demo model.",
    "Good to see you; the demo model here.",
    "The demo model is listening.",
)

_EXPLANATION = """\
I am a few lines of Python and know nothing, but everything around me is the real thing: your message was saved \
first, a worker picked it up, and these words reach your screen through a log that outlives every process they pass.

Things to try while I am still talking:

- Reload this page. The text comes back whole and goes on where it was; nothing is asked twice.
- Open this conversation in a second browser, or as the second person. Both see the same words at the same time.
- Go offline for a few seconds. What you missed arrives first, then the rest.
- Press stop. What is on the screen stays, everywhere.
- Send the next message already. It waits for its turn.

Words that make me behave differently: markdown, code, long, slow, unicode; and, to see how trouble looks: \
stall, error, rate limit, empty.

A real model works the same way: set ANTHROPIC_API_KEY, or OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your \
own, start again, and choose it in the list."""

_MARKDOWN = """\
# A heading

Text may be **bold**, *slanted*, ~~struck~~ or `code`, and [a link](https://example.org/) says where it leads.

## Lists

1. First things first
2. Then the second
   - with a branch
   - and another one

- [x] a task that is done
- [ ] a task that waits

## A table

| Station | What it does | Survives a restart |
|:--|:--|:-:|
| browser | shows words | yes |
| worker | pulls words | yes |
| log | keeps words | for half an hour |

> A quotation stands apart,
> even over two lines.

---

And a formula as plain text: `E = m · c²`."""

_CODE = """\
This counts the words of a text, most frequent ones first:

```python
from collections import Counter


def frequent_words(text: str, count: int = 3) -> list[tuple[str, int]]:
    \"\"\"The `count` most frequent words of `text`, without regard to case.\"\"\"
    words = (word.strip(".,;:!?").lower() for word in text.split())
    return Counter(word for word in words if word).most_common(count)


print(frequent_words("The cat saw the dog. The dog ran."))
# [('the', 3), ('dog', 2), ('cat', 1)]
```

In a browser one would write:

```javascript
const words = text.toLowerCase().match(/\\p{L}+/gu) ?? [];
const counts = Map.groupBy(words, (word) => word);
console.log([...counts].sort((a, b) => b[1].length - a[1].length).slice(0, 3));
```"""

_UNICODE = """\
Every sign below may be cut in two on its way and must arrive whole.

Families: 👩‍👩‍👧‍👦 👨‍👩‍👧 👩🏽‍🚀 🧑‍💻 · flags: 🏳️‍🌈 🇳🇱 🇯🇵 · hands: 👍🏿 ✌🏻\r
Accents that are signs of their own: e\u0301 n\u0303 u\u0308 · ready-made: é ñ ü\r
Three bytes each: 日本語の文字, 中文字符, 한국어, € ‰ ™ · four bytes: 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 🦊\r
From right to left: שלום, مرحبا · joined: क्षत्रिय, ประเทศไทย\r
Lines that end in \\r\\n end the paragraph above and this one.\r
"""

_SHOWN = {Scenario.MARKDOWN: _MARKDOWN, Scenario.CODE: _CODE, Scenario.UNICODE: _UNICODE}

_TITLES = (
    "Rows first",
    "The log is the truth",
    "One writer",
    "A message is a wake-up",
    "Nothing seen disappears",
    "One end for each request",
)

_SENTENCES = (
    "Whatever was accepted is in the database before anybody is told so.",
    "A worker may die in the middle of a word, and the next one goes on behind it.",
    "Each piece of text has a position, so a gap shows itself and is filled.",
    "A slow reader is served later and never makes a fast one wait.",
    "Two windows that show the same answer ask the model once.",
    "The model is paid for as long as somebody wants the answer, and not a second longer.",
    "A wait has a deadline, and a queue has an end that people can see.",
    "If the network is away for a minute, the answer is not; it waits in the log.",
    "Stopping is a promise: what was written stays, and no more is written.",
)

_CLOSINGS = (
    "That is all I know. Try me again with another word.",
    "This was the end of a demo answer; a reload shows it as it is now.",
    "Thank you for reading to the end.",
)
