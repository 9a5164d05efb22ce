"""A person's browser as far as pages go: logs in with the form, keeps the cookies, reads pages."""

from __future__ import annotations

import http.cookiejar
import re
import urllib.parse
import urllib.request

TIMEOUT_S = 120


class Session:
    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.jar = http.cookiejar.CookieJar()
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    @property
    def cookie(self) -> str:
        """The `Cookie` header, for a WebSocket."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.jar)

    def get(self, path: str) -> str:
        with self._browser.open(self.origin + path, timeout=TIMEOUT_S) as response:
            body: bytes = response.read()
        return body.decode()

    def post(self, path: str, page: str = "", **form: str) -> str:
        """Sends a form from the page that it stands on: its own, or `page`."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(page or path))
        assert token is not None, f"{page or path} has no form"
        data = urllib.parse.urlencode({**form, "csrfmiddlewaretoken": token[1]}).encode()
        with self._browser.open(self.origin + path, data, timeout=TIMEOUT_S) as response:
            body: bytes = response.read()
        return body.decode()

    def login(self, name: str, password: str) -> Session:
        self.post("/accounts/login/", login=name, password=password)
        assert any(cookie.name == "sessionid" for cookie in self.jar), f"{name} could not log in"
        return self

    def new_conversation(self) -> str:
        """The id of a conversation of the person's own."""
        self.post("/conversations/new/", page="/")
        return self.first_conversation()

    def first_conversation(self) -> str:
        """The id of the newest conversation on the person's list."""
        link = re.search(r'href="/conversations/([0-9a-f-]{36})/', self.get("/"))
        assert link is not None, "no conversation"
        return link[1]
