"""The project's settings, for a demo whose processes are killed as often as tests like, one soon after the other, and
which waits for a silent provider longer than any test lasts: what ends before that was ended."""

from chatsite.demo import child
from chatsite.settings import *  # noqa: F403
from chatsite.settings import STREAMING as _STREAMING

child.YOUNG_S = 0.0
STREAMING = {**_STREAMING, **{f"{what}_timeout_s": 900.0 for what in ("first_text", "between_text", "answer")}}
# A conversation that all tests share becomes long: its summary would be one more question to the model under test.
STREAMING["prompt_max_tokens"] = 1_000_000
