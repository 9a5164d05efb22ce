"""The OpenAPI documents are true: whatever schemathesis makes of them gets a documented answer, and never a fault."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from chatsite.client.site import Site as Api
from tests.acceptance.program_site import Site
from tests.acceptance.rig import until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1800)]

IS_FULL = os.environ.get("CHATSITE_FULL") == "1"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
#: `coverage` goes through the edges of every field, always the same ones; `fuzzing` makes things up.
PHASES = "examples,coverage,fuzzing" if IS_FULL else "examples,coverage"
#: Without it, hardly any id that is made up would be of something that exists.
REAL_IDS = """
[parameters]
conversation_id = "{conversation}"
message_id = {message}
stream_id = "{stream}"
"""


def run(site: Site, path: str, key: str, folder: Path, config: str = "") -> Counter[int]:
    """How often each status was seen. Whatever is not as the document says fails the test."""
    (folder / "schemathesis.toml").write_text(config)
    report, seen = folder / "report.json", folder / "seen.har"
    words = [
        "--config-file", str(folder / "schemathesis.toml"), "run", f"{site.demo.origin}{path}/openapi.json",
        "-H", f"Authorization: Bearer {key}", "--phases", PHASES, "-c", CHECKS, "-n", "100", "--seed", "7",
        "--no-shrink", "--continue-on-failure", "--request-timeout", "150", "--suppress-health-check", "all",
        "--warnings", "off", "--no-color", "--report", "json,har", "--report-json-path", str(report),
        "--report-har-path", str(seen),
    ]  # fmt: skip
    # Lines of JSON are asked for with the same body as events, by the same code: once is enough for every day.
    words += ["--rate-limit", "450/m"] if IS_FULL else ["--exclude-path", "/v1/chat/stream/json"]
    program = [sys.executable, "-c", "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"]
    ended = subprocess.run([*program, *words], cwd=folder, capture_output=True, text=True, timeout=1700, check=False)
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
    told = json.loads(report.read_text())
    assert told["operations"]["tested"] == told["operations"]["selected"] > 3
    entries = json.loads(seen.read_text())["log"]["entries"]
    return Counter(entry["response"]["status"] for entry in entries)


def test_the_own_api_answers_only_as_its_document_says(site: Site, tmp_path: Path) -> None:
    api = Api(site.demo.origin, site.more_keys[0])
    conversation = api.post("/conversations")["id"]
    sent = api.send(conversation, "Hello", "demo")
    until(lambda: api.get(f"/streams/{sent['stream_id']}")["status"] == "completed", "the answer")
    ids = REAL_IDS.format(conversation=conversation, message=sent["message_id"], stream=sent["stream_id"])
    seen = run(site, "/api/v1", site.more_keys[0], tmp_path, ids)
    print(dict(seen))
    assert {200, 201, 202, 401, 405, 422} <= seen.keys()
    assert seen[200] > 20
    assert seen[429] == 0  # else nothing else would have been looked at


def test_the_openai_api_answers_only_as_its_document_says(site: Site, tmp_path: Path) -> None:
    seen = run(site, "/v1", site.more_keys[1], tmp_path)
    print(dict(seen))
    assert {200, 400, 401, 405} <= seen.keys()
    assert seen[429] == 0
