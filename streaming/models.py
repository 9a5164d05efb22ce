"""The rows. "Accepted" means a committed `Generation`; Redis may lose everything and nothing accepted is lost."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from streaming.states import LIVE, Status


class Generation(models.Model):
    """One request to a model, its stream and its answer; its id is the stream's id on the wire.

    `text` with `position_*` is the newest checkpoint while it runs and the whole answer at the end; the terminal
    event's position is then the stored one. Only `lifecycle` writes this table after creation.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="generations")
    model = models.CharField(max_length=100, help_text="alias of the model, see STREAMING['models']")
    status = models.CharField(max_length=12, choices=[(s.value, s.value) for s in Status], default=Status.QUEUED)
    #: +1 per claim: the only fence.
    attempt = models.PositiveIntegerField(default=0)
    #: The worker process that holds the current attempt.
    worker = models.CharField(max_length=80, blank=True, default="")
    #: Failures of the provider, and workers lost: both limited, neither a fence.
    provider_errors = models.PositiveSmallIntegerField(default=0)
    crashes = models.PositiveSmallIntegerField(default=0)

    #: What a waiting row waits for, as `stream.queued` says it; empty: for its first turn.
    wait_reason = models.CharField(max_length=20, blank=True, default="")
    wait_message = models.CharField(max_length=300, blank=True, default="")
    wait_until = models.DateTimeField(null=True, blank=True)

    #: The run that the vendor keeps, and how much of `text` was there before it.
    vendor_run = models.CharField(max_length=200, blank=True, default="")
    vendor_run_after = models.PositiveIntegerField(default=0)

    text = models.TextField(blank=True, default="")
    position_attempt = models.PositiveIntegerField(default=0)
    position_seq = models.PositiveIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True, default="")
    text_bytes = models.PositiveIntegerField(default=0)

    finish_reason = models.CharField(max_length=40, blank=True, default="")
    error_code = models.CharField(max_length=60, blank=True, default="")
    error_message = models.CharField(max_length=300, blank=True, default="")
    error_retryable = models.BooleanField(default=False)

    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    cached_tokens = models.PositiveIntegerField(null=True, blank=True)

    requested_at = models.DateTimeField(auto_now_add=True)
    #: When the reconciliation sends (another) wake-up if the row is still QUEUED.
    wake_at = models.DateTimeField()
    deadline_at = models.DateTimeField(help_text="end of the wait in the queue")
    admitted_at = models.DateTimeField(null=True, blank=True)
    first_text_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    stop_requested_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = (
            models.Index(fields=["status", "wake_at"], name="generation_to_wake"),
            models.Index(
                fields=["user", "status"], name="generation_live_of_user", condition=models.Q(status__in=sorted(LIVE))
            ),
        )

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"


class Attempt(models.Model):
    """One call to a provider: the ledger's line. `outcome` is empty while it runs."""

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    worker = models.CharField(max_length=80)
    started_at = models.DateTimeField(auto_now_add=True)
    first_text_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=20, blank=True, default="")
    error_code = models.CharField(max_length=60, blank=True, default="")
    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    cached_tokens = models.PositiveIntegerField(null=True, blank=True)
    usage_source = models.CharField(max_length=10, blank=True, default="", help_text="provider or counted")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["generation", "number"], name="attempt_once"),)

    def __str__(self) -> str:
        return f"{self.generation_id} attempt {self.number}"
