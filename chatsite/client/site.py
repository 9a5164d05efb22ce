"""The site's JSON, asked with a key. Every refusal is a sentence for people."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

TIMEOUT_S: Final = 30
TRIES: Final = 4
_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
_REPEATED: Final = frozenset({"", "unavailable", "restarting", "rate_limited"})
_UNREACHABLE: Final = "unreachable"
#: Longer ones are told instead of waited for.
_WAIT_MOST_S: Final = 30.0


class SiteError(Exception):
    """`code` is the site's word for programs; empty if it did not answer, "unreachable" if there was no connection."""

    def __init__(self, message: str, code: str = "", retry_after_s: float = 0.0) -> None:
        self.code, self.retry_after_s = code, retry_after_s
        super().__init__(message)


@dataclass(slots=True)
class Site:
    address: str
    key: str
    #: Who has answered before is away for a moment; where nobody ever did, trying again only delays the news.
    _has_answered: bool = field(default=False, init=False, compare=False, repr=False)

    def get(self, path: str, *, tries: int = TRIES) -> Any:
        return self._ask("GET", path, tries=tries)

    def post(self, path: str, body: dict[str, Any] | None = None, *, once: str = "") -> Any:
        """`once`: an idempotency key, with which trying again cannot do it twice."""
        return self._ask("POST", path, body or {}, once)

    def send(self, conversation: str, text: str, model: str | None) -> Any:
        body = {"text": text} | ({"model": model} if model else {})
        return self.post(f"/conversations/{conversation}/messages", body, once=str(uuid.uuid4()))

    def pages(self, path: str) -> Any:
        """All items of a list."""
        cursor = ""
        while True:
            page = self.get(f"{path}?limit=100{cursor}")
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            cursor = f"&cursor={page['next_cursor']}"

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, once: str = "", tries: int = TRIES
    ) -> Any:
        for tried in range(1, tries + 1):
            try:
                return self._ask_once(method, path, body, once)
            except SiteError as error:
                is_harmless = method == "GET" or bool(once)
                if tried == tries or not (is_harmless and self._may_pass(error)):
                    raise
                time.sleep(max(error.retry_after_s, 0.5 * 2**tried))
        raise AssertionError("the last try returns or raises")

    def _may_pass(self, error: SiteError) -> bool:
        if error.code == _UNREACHABLE:
            return self._has_answered
        return error.code in _REPEATED and error.retry_after_s <= _WAIT_MOST_S

    def _ask_once(self, method: str, path: str, body: dict[str, Any] | None, once: str) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "application/json"}
        headers |= {"Idempotency-Key": once} if once else {}
        data = None if body is None else json.dumps(body).encode()
        headers |= {} if data is None else {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.address}/api/v1{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
                self._has_answered = True
                return json.load(response)
        except urllib.error.HTTPError as refused:
            self._has_answered = True
            with refused:
                raise _refusal(refused) from None
        except urllib.error.URLError as unreached:  # urllib's word for a request that could not even be sent
            why = getattr(unreached.reason, "strerror", None) or unreached.reason
            raise SiteError(f"Nobody answers at {self.address} ({why}). Is the site running?", _UNREACHABLE) from None
        except (OSError, http.client.HTTPException) as lost:
            raise SiteError(f"{self.address} does not answer: {lost}") from None
        except ValueError:
            raise SiteError(f"{self.address} answers, but is no chat site.", "no_site") from None


def _refusal(refused: urllib.error.HTTPError) -> SiteError:
    try:
        problem = json.load(refused)
        return SiteError(problem["detail"], problem["code"], float(problem.get("retry_after_s") or 0))
    except (ValueError, KeyError, TypeError):
        message = f"{refused.url} answers {refused.code}, which is nothing that a chat site says."
        return SiteError(message, "unavailable" if refused.code in _RETRIED else "no_site")
