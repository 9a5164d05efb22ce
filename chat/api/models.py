"""Keys of programs, and what was asked by programs that bring their whole history with them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    """What a key may do. Whoever may ask may also read: an answer belongs to its question."""

    READ = "read", _("read conversations, answers and usage")
    CHAT = "chat", _("ask, stop and change conversations")


class ApiKey(models.Model):
    """A program's key to one person's account. Only its hash is kept; `prefix` lets people recognise it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(_("name"), max_length=60, help_text=_("what it is for"))
    prefix = models.CharField(_("begins with"), max_length=16)
    #: SHA-256 of the whole key, in hex: a key has 256 random bits, so there is nothing to guess and nothing to salt.
    hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(_("scopes"), default=list)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    #: Written at most once a minute.
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-pk")
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_valid(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())


class KeyMessage(models.Model):
    """A message in a conversation that a program sent, and with which key: what that asked for ends with it."""

    message = models.OneToOneField(
        "chat.Message", on_delete=models.CASCADE, primary_key=True, related_name="key_message"
    )
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="messages")

    def __str__(self) -> str:
        return f"message {self.message_id} by key {self.key_id}"


class ApiRequest(models.Model):
    """What a generation is asked that belongs to no conversation. `prompt` is emptied when it has ended: terminal rows
    never run again, and nobody else reads it.

    `readers`: requests of its program that have its answer; who asks again while the first connection is not yet known
    to be dead has two. `left_at`: the last one is gone, and did not ask for it to go on; unless somebody comes back for
    it (then it is null again), it is stopped after a while.
    """

    generation = models.OneToOneField(
        "streaming.Generation", on_delete=models.CASCADE, primary_key=True, related_name="api_request"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_requests")
    key = models.ForeignKey(ApiKey, on_delete=models.SET_NULL, null=True, related_name="requests")
    prompt = models.JSONField(default=dict)
    in_background = models.BooleanField(default=False)
    readers = models.SmallIntegerField(default=1, db_default=1)
    left_at = models.DateTimeField(null=True, blank=True)
    #: As the program named it; the same name with another body is refused.
    idempotency_key = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - NULLs never collide
    body_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "idempotency_key"], name="api_request_once"),)

    def __str__(self) -> str:
        return f"request {self.generation_id}"
