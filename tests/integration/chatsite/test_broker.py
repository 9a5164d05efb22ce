"""The queue of wake-ups as the settings have it: what a worker takes leaves no trace, and stays taken."""

from __future__ import annotations

from celery import current_app
from redis import Redis

from streaming.wake_ups import TASK_NAME
from tests.valkey import Valkey


def test_a_wake_up_that_was_taken_is_nowhere_any_more(valkey: Valkey) -> None:
    current_app.send_task(TASK_NAME, args=("an id", 0), retry=False)
    with current_app.connection_for_read() as connection, Redis(unix_socket_path=str(valkey.socket)) as direct:
        assert direct.llen("generate") == 1
        message = connection.default_channel.basic_get("generate")
        assert message is not None
        assert message.decode()[0] == ["an id", 0]
        assert direct.keys("unacked*") == []
        message.ack()
        assert [key for key in direct.scan_iter() if not key.startswith(b"_kombu")] == []
