"""A site with one answer that waits, its lane and a worker, and staff with and without single permissions."""

from __future__ import annotations

import json
from typing import Any, Final

import redis
from django.contrib.auth.models import Permission, User
from django.test import Client

from chat.models import Message
from streaming import keys
from streaming.models import Generation, Lane
from tests.integration.chat.factories import make_conversation, make_person, send

PERMISSIONS: Final = ("view_numbers", "view_text", "stop_answers", "change_limits")
WORKER: Final = "host.example:7:abc"
LANE: Final = "kitchen"
SECRET: Final = "something private"
MODELS: Final = ({"alias": "tea", "label": "Tea", "provider": "demo", "model": "tea", "lane": LANE},)


def staff(*permissions: str, check_csrf: bool = False) -> Client:
    user = User.objects.create_user(f"staff-{User.objects.count()}", is_staff=True)
    for name in permissions:
        user.user_permissions.add(Permission.objects.get(codename=name, content_type__app_label="streaming"))
    client = Client(enforce_csrf_checks=check_csrf)
    client.force_login(user)
    return client


def an_answer() -> Generation:
    """ann asked, and waits; its text so far is private too."""
    ann = make_person("ann")
    send(ann, make_conversation(ann), SECRET, model="tea")
    answer = Message.objects.get(role="assistant").generation
    assert answer is not None
    Generation.objects.filter(pk=answer.pk).update(text=SECRET)
    Lane.objects.get_or_create(name=LANE)
    return answer


def a_worker(url: str) -> None:
    """One that says that it lives."""
    with redis.Redis.from_url(url) as client:
        said: dict[str, Any] = {"slots": 5, "slots_max": 5, "runs": 1, "state": "working", "version": "1.2.3"}
        client.set(keys.worker_lease(WORKER), json.dumps(said), px=10_000)
        client.sadd(keys.WORKERS_KNOWN, WORKER)


def path(order: str, answer: Generation) -> str:
    """Of an order about the only answer, person, lane or worker."""
    of = order.partition("-")[2]
    target = {"answer": answer.pk, "person": answer.user_id, "lane": LANE, "worker": WORKER}[of]
    return f"/admin/order/{order}/{target}/"
