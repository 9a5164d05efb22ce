"""docker-compose.yml is true: its commands are the demo's, and they serve answers from PostgreSQL and Valkey."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chatsite.demo import commands
from tests import nginx
from tests.acceptance import compose
from tests.acceptance.chat_client import ChatClient
from tests.acceptance.rig import BASE_DIR, until
from tests.acceptance.session import Session
from tests.free_port import free_port
from tests.postgres import Postgres, programs
from tests.valkey import Valkey

pytestmark = pytest.mark.acceptance
PASSWORDS = {"ann": "ann-has-a-password", "bob": "bob-has-a-password", "admin": "admin-has-a-password"}
DOT_ENV = {"SECRET_KEY": "s3cret-" * 10, "POSTGRES_PASSWORD": "unused"}
#: What only makes sense behind nginx.
PROXY = ("--proxy-headers", "--forwarded-allow-ips")


def test_every_service_is_watched_and_may_be_scaled() -> None:
    services = compose.services()
    assert set(services) == {"postgres", "valkey", "migrate", "web", "worker", "nginx"}
    for name, service in services.items():
        assert "container_name" not in service
        assert "healthcheck" in service or name == "migrate"
    assert int(services["worker"]["stop_grace_period"].rstrip("s")) > 35
    for name in ("web", "worker"):
        assert "ports" not in services[name]  # one of this machine's could belong to one container only
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_the_front_is_the_checked_in_nginx_and_stands_before_the_web_processes() -> None:
    services = compose.services()
    source, target, mode = services["nginx"]["volumes"][0].split(":")
    assert (BASE_DIR / source) == nginx.OUR_FILE
    assert (target, mode) == ("/etc/nginx/conf.d/default.conf", "ro")
    assert services["nginx"]["ports"] == ["127.0.0.1:${WEB_PORT:-8000}:80"]
    text = nginx.OUR_FILE.read_text()
    assert "listen 80 " in text
    assert f"http://web:{compose.flags('web')['--port']};" in text
    alive = services["nginx"]["healthcheck"]["test"][-1]
    assert f"location = {urlsplit(alive).path} " in text


def test_web_and_worker_run_with_the_flags_of_the_demo() -> None:
    address = ("--host", "--port", "--fd", "--timeout-graceful-shutdown", "-n", "-W", *PROXY)
    for name, words in (("web", commands.web_words(0)), ("worker", commands.worker_words(1, 500))):
        ours, theirs = compose.pairs(words), compose.flags(name)
        assert {k: v for k, v in ours.items() if k not in address} == {
            k: v for k, v in theirs.items() if k not in address
        }


def test_a_start_without_a_secret_key_is_refused() -> None:
    with pytest.raises(KeyError, match="SECRET_KEY"):
        compose.environment("web", {"POSTGRES_PASSWORD": "x"})


def test_the_environment_behind_tls_passes_the_deployment_checks() -> None:
    site = {"SECURE": "1", "ALLOWED_HOSTS": "chat.example.org", "ALLOWED_ORIGINS": "https://chat.example.org"}
    env = {"PATH": os.environ["PATH"], **compose.environment("web", {**DOT_ENV, **site})}
    words = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    ended = subprocess.run(words, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=250)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("change", [{"SECURE": "0"}, {"ALLOWED_ORIGINS": "*"}])
def test_an_unsafe_environment_does_not_pass_them(change: dict[str, str]) -> None:
    site = {"SECURE": "1", "ALLOWED_HOSTS": "chat.example.org", "ALLOWED_ORIGINS": "https://chat.example.org", **change}
    env = {"PATH": os.environ["PATH"], **compose.environment("web", {**DOT_ENV, **site})}
    words = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    assert subprocess.run(words, cwd=BASE_DIR, env=env, capture_output=True, timeout=250).returncode != 0


class Stack:
    """The services of the file as processes of this machine."""

    def __init__(self, folder: Path) -> None:
        self.postgres, self.valkey = Postgres(_programs()), Valkey(folder / "valkey.sock")
        self.port, front = str(free_port()), free_port()
        self.nginx = nginx.Nginx(folder, nginx.our_server(front, web=int(self.port)), front)
        self.ready_file = folder / "worker.ready"
        self.origin = f"http://127.0.0.1:{front}"
        self.folder = folder

    def env(self, service: str) -> dict[str, str]:
        here = {
            "DATABASE_URL": self.postgres.url, "REDIS_URL": self.valkey.url, "READY_FILE": str(self.ready_file),
            "CELERY_BROKER_URL": f"redis+socket://{self.valkey.socket}", "PORT": self.port,
            "SERVE_STATIC_FROM_APPS": "1", "DEMO_TOKENS_PER_SECOND": "200", "ALLOWED_ORIGINS": self.origin,
        }  # fmt: skip
        return {"PATH": os.environ["PATH"], **compose.environment(service, DOT_ENV), **here}

    def run(self, service: str, *words: str) -> int:
        """Runs a command to its end, as `docker compose exec` would."""
        return subprocess.run(
            words or compose.words(service), cwd=BASE_DIR, env=self.env(service), stdout=subprocess.DEVNULL, timeout=250
        ).returncode

    def start(self, service: str) -> subprocess.Popen[bytes]:
        here = {"0.0.0.0": "127.0.0.1", "8000": self.port}
        words = [here.get(word, word) for word in compose.words(service)]
        return subprocess.Popen(words, cwd=BASE_DIR, env=self.env(service))

    def is_healthy(self, service: str) -> bool:
        return self.run(service, sys.executable, *compose.services()[service]["healthcheck"]["test"][2:]) == 0


def _programs() -> Path:
    found = programs()
    if found is None:
        if os.environ.get("CHATSITE_REQUIRE_ALL"):
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed")
    return found


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("compose"))
    with ExitStack() as ends:
        ends.callback(stack.postgres.stop)
        stack.postgres.start()
        ends.callback(stack.valkey.stop)
        stack.valkey.start()
        assert stack.run("migrate") == 0
        for service in ("web", "worker"):
            process = stack.start(service)
            ends.callback(process.wait, 150)
            ends.callback(process.terminate)
        ends.enter_context(stack.nginx)
        yield stack


async def test_the_commands_of_the_file_serve_an_answer_from_postgresql_through_nginx(stack: Stack) -> None:
    until(lambda: stack.is_healthy("web") and stack.is_healthy("worker"), "health", 250)
    passwords = stack.folder / "passwords.json"
    passwords.write_text(json.dumps(PASSWORDS))
    assert stack.run("web", sys.executable, "manage.py", "seed_demo", "--passwords", str(passwords)) == 0
    session = Session(stack.origin).login("ann", PASSWORDS["ann"])
    conversation = session.first_conversation()
    async with ChatClient(
        stack.origin.replace("http", "ws") + "/ws/v1/", cookie=session.cookie, origin=stack.origin
    ) as ann:
        generation = await ann.ask(conversation, "markdown")
        await ann.subscribe(generation)
        view = await ann.ended(generation)
    assert view.status == "completed"
    assert len(view.text) > 100
