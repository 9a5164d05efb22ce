"""Pages of a foreign front end on the client module: the code of its README, and around it only what shows it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.browser.person import Person

README = Path(__file__).resolve().parents[2] / "streaming/static/streaming/js/README.md"
IMPORT_MAP = re.compile(r'<script type="importmap"[^>]*>(.*?)</script>', re.DOTALL)
#: What needs what of React's packages, which are written for Node's `require`.
REACT = {
    "react": ("react/cjs/react.development.js", ()),
    "scheduler": ("scheduler/cjs/scheduler.development.js", ()),
    "react-dom": ("react-dom/cjs/react-dom.development.js", ("react",)),
    "react-dom/client": ("react-dom/cjs/react-dom-client.development.js", ("react", "react-dom", "scheduler")),
}
REACT_NAMES = (
    "createElement, StrictMode, useCallback, useEffect, useMemo, useState, useSyncExternalStore",
    "createRoot",
)
PLAIN_PAGE = '<form><input name="text"><button>Ask</button></form><button id="stop">Stop</button><output></output>'
REACT_APP = """
import { StrictMode, createElement as make } from "react";
import { createRoot } from "react-dom/client";
import { createClient } from "streaming/index.js";
import { useAnswer, useConversation } from "example";

const client = createClient();
const { conversation } = document.querySelector("#root").dataset;

function Answer({ generation }) {
  const { text, status, end } = useAnswer(client, generation);
  return make("output", { title: end?.status ?? status }, text);
}
function App() {
  const { connection, error, messages, send, stop } = useConversation(client, conversation);
  const answers = messages.filter(({ generation }) => generation !== null).map(({ generation: { id } }) => id);
  return make("main", { title: connection },
    make("form", { action: (data) => send(data.get("text")) }, make("input", { name: "text" })),
    make("button", { id: "stop", onClick: stop }), make("p", { role: "alert" }, error?.code),
    answers.flatMap((id) => [1, 2].map((look) => make(Answer, { key: `${id} ${look}`, generation: id }))));
}
createRoot(document.querySelector("#root")).render(make(StrictMode, null, make(App)));
client.connect();
"""


def example(name: str) -> str:
    """A block of the README."""
    found = re.search(rf"<!-- example: {name} -->\n```js\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None, name
    return found[1]


def react_modules(packages: Path) -> dict[str, str]:
    """React as modules, by name."""
    return {name: _module(packages / file, needs) for name, (file, needs) in REACT.items()}


def _module(file: Path, needs: tuple[str, ...]) -> str:
    imports = "".join(f'import need{number} from "{need}";\n' for number, need in enumerate(needs))
    known = ", ".join(f'"{need}": need{number}' for number, need in enumerate(needs))
    names = {"react": REACT_NAMES[0], "react-dom-client": REACT_NAMES[1]}.get(file.name.split(".")[0], "version")
    return f"""{imports}const module = {{ exports: {{}} }}, exports = module.exports;
const process = {{ env: {{ NODE_ENV: "development" }} }}, known = {{ {known} }}, require = (name) => known[name];
{file.read_text()}
export default module.exports;
export const {{ {names} }} = module.exports;
"""


def open_page(ann: Person, body: str, script: str, modules: Mapping[str, str]) -> None:
    """Shows a page of ours below the address of the present conversation, with modules that the site does not have."""
    address = f"{ann.demo.url}conversations/{ann.conversation}/"
    addresses = {name: f"{address}modules/{name.replace('/', '-')}.js" for name in modules}
    site_map = IMPORT_MAP.search(ann.page.content())
    assert site_map is not None
    imports = "".join(f'"{name}": "{place}",' for name, place in addresses.items())
    complete_map = site_map[1].replace('"imports": {', f'"imports": {{{imports}', 1)
    html = (
        f'<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
        f'<script type="importmap">{complete_map}</script>{body}<script type="module">{script}</script>'
    )
    _serve(ann.page, f"{address}example/", html, "text/html")
    for name, place in addresses.items():
        _serve(ann.page, place, modules[name], "text/javascript")
    # A page that no server sent has no place on the network, and must be allowed to speak to this machine.
    ann.context.grant_permissions(["local-network-access"], origin=ann.demo.origin)
    ann.page.goto(f"{address}example/")


def _serve(page: Any, address: str, text: str, kind: str) -> None:
    page.route(address, lambda route: route.fulfill(body=text, content_type=f"{kind}; charset=utf-8"))
