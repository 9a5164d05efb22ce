"""The rows. "Accepted" means a committed `Generation`; Redis may lose everything and nothing accepted is lost."""

from __future__ import annotations

import uuid
from dataclasses import fields

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from streaming.lane_limits import ChargeMode, Hold, LaneLimits
from streaming.ledger_models import Attempt, LoadRollup, PriceOverride, UsageRollup, UserRollup
from streaming.states import LIVE, Status

__all__ = (
    "Announcement",
    "Attempt",
    "Generation",
    "Lane",
    "LoadRollup",
    "PriceOverride",
    "SiteSpend",
    "TokenBudget",
    "TokenReservation",
    "TokenSpend",
    "UsageRollup",
    "UserRollup",
)
_LIMITS = LaneLimits()


class Generation(models.Model):
    """One request to a model, its stream and its answer; its id is the stream's id on the wire.

    `text` with `position_*` is the newest checkpoint while it runs and the whole answer at the end; the terminal
    event's position is then the stored one. After its creation only `lifecycle` moves it (`lane_tickets` notes its
    place, `due` its next wake-up).
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

    #: Its lane, its place there once it has to wait (`lane_snapshot.Place`), and the lane's number for its last start.
    lane = models.CharField(max_length=120, blank=True, default="")
    lane_tag = models.BigIntegerField(null=True, blank=True)
    lane_seq = models.BigIntegerField(null=True, blank=True)
    admission = models.BigIntegerField(default=0)
    #: What it will use, as guessed when it was accepted; `lane_cost` is its share in the fair order.
    input_estimate = models.PositiveIntegerField(default=0)
    output_estimate = models.PositiveIntegerField(default=0)
    lane_cost = models.PositiveIntegerField(default=0)

    text = models.TextField(blank=True, default="")
    #: Its finished blocks as HTML, see `answer_blocks`; empty: whoever shows the text renders it.
    blocks = models.TextField(blank=True, default="")
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
            models.Index(fields=["lane", "status"], name="generation_of_lane"),
            models.Index(
                fields=["user", "status"], name="generation_live_of_user", condition=models.Q(status__in=sorted(LIVE))
            ),
        )
        verbose_name = _("answer")
        verbose_name_plural = _("answers")
        permissions = (  # see `operators`
            ("view_numbers", _("Can see numbers: the dashboard, live answers, lanes, workers")),
            ("view_text", _("Can read what people write and are answered")),
            ("stop_answers", _("Can stop and repeat answers")),
            ("change_limits", _("Can change limits; pause, drain and resume lanes and workers")),
        )

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"


class Lane(models.Model):
    """What the provider of a lane allows, as this site configured it. Empty: no such limit.

    The columns are the fields of `LaneLimits`. A row is made from the settings when its lane is first seen; from then
    on the row is what counts.
    """

    name = models.CharField(primary_key=True, max_length=120)
    requests_per_minute = models.FloatField(null=True, blank=True)
    input_tokens_per_minute = models.FloatField(null=True, blank=True)
    output_tokens_per_minute = models.FloatField(null=True, blank=True)
    concurrency = models.PositiveIntegerField(null=True, blank=True, help_text="answers running at once")
    user_concurrency = models.PositiveIntegerField(null=True, blank=True, help_text="of them of one person")
    user_queue = models.PositiveIntegerField(null=True, blank=True, help_text="questions of one person that may wait")
    queue_max = models.PositiveIntegerField(null=True, blank=True, help_text="questions that may wait in all")
    charge = models.CharField(
        max_length=20, choices=[(mode.value, mode.value) for mode in ChargeMode], default=ChargeMode.AS_PRODUCED.value
    )
    burst_s = models.FloatField(
        default=_LIMITS.burst_s, help_text="how much may start at once from rest, in seconds of the rate"
    )
    pace = models.FloatField(default=_LIMITS.pace, help_text="share of the rate that is used")
    ramp_start = models.FloatField(
        default=_LIMITS.ramp_start, help_text="share of the speed after five idle minutes; 1: no ramp"
    )
    adopt_higher = models.BooleanField(
        default=_LIMITS.adopt_higher, help_text="whether the provider's headers may raise a limit"
    )
    handoff_s = models.FloatField(
        default=_LIMITS.handoff_s, help_text="how long a worker may take to fetch what it was handed"
    )
    #: A sentence while nobody may start; as the lane itself says it.
    blocked_reason = models.CharField(max_length=300, blank=True, default="")
    #: What an administrator ordered (see `lane_values.Hold`), why, and until when; empty: until it is withdrawn.
    held = models.CharField(max_length=5, blank=True, default="")
    held_reason = models.CharField(max_length=300, blank=True, default="")
    held_until = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("lane")
        verbose_name_plural = _("lanes")

    def __str__(self) -> str:
        return self.name

    def hold(self) -> Hold | None:
        """The order that is in force."""
        if self.held not in ("pause", "drain") or (self.held_until and self.held_until <= timezone.now()):
            return None
        until_ms = round(self.held_until.timestamp() * 1000) if self.held_until else 0
        return Hold("pause" if self.held == "pause" else "drain", until_ms)

    def limits(self) -> LaneLimits:
        values = {field.name: getattr(self, field.name) for field in fields(LaneLimits)}
        return LaneLimits(**values | {"charge": ChargeMode(self.charge)})


class Announcement(models.Model):
    """The first wait that a person was told, and how long it really was. `gave_up`: it ended before its turn, so the
    real one would have been longer."""

    lane = models.CharField(max_length=120)
    generation_id = models.UUIDField(db_index=True)
    announced_at = models.DateTimeField()
    p50_s = models.FloatField()
    p90_s = models.FloatField()
    actual_s = models.FloatField(null=True, blank=True)
    gave_up = models.BooleanField(default=False)

    class Meta:
        indexes = (models.Index(fields=["lane", "announced_at"], name="announcement_of_lane"),)

    def __str__(self) -> str:
        return f"{self.generation_id}: {self.p50_s:.0f} s, usually under {self.p90_s:.0f} s"


class TokenBudget(models.Model):
    """What one person may use, where that is not what everybody may. Empty: as the site's settings say; 0: no limit."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="token_budget"
    )
    tokens_per_day = models.PositiveBigIntegerField(null=True, blank=True)
    tokens_per_month = models.PositiveBigIntegerField(null=True, blank=True)
    cost_per_day = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    cost_per_month = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)

    def __str__(self) -> str:
        return f"token budget of {self.user}"


class _Spend(models.Model):
    """Tokens and cost (in millionths of a US dollar): used, and held for answers that have not ended."""

    reserved = models.BigIntegerField(default=0)
    used = models.BigIntegerField(default=0)
    reserved_micro = models.BigIntegerField(default=0)
    used_micro = models.BigIntegerField(default=0)

    class Meta:
        abstract = True


class TokenSpend(_Spend):
    """What one person used in a day ("2026-11-21", UTC) or a month ("2026-11"). Only `budgets` writes it, and only
    while somebody's use is limited."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="token_spends")
    period = models.CharField(max_length=10)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "period"], name="token_spend_once"),)

    def __str__(self) -> str:
        return f"tokens of {self.user} in {self.period}"


class SiteSpend(_Spend):
    """The same of everybody together, while the site's use is limited."""

    period = models.CharField(primary_key=True, max_length=10)

    def __str__(self) -> str:
        return f"tokens of all in {self.period}"


class TokenReservation(models.Model):
    """What is held for one generation, in the day and the month of `day`, and in the site's if `in_site`; gone once it
    is settled."""

    generation = models.OneToOneField(
        Generation, on_delete=models.CASCADE, primary_key=True, related_name="reservation"
    )
    user_id = models.BigIntegerField()
    day = models.CharField(max_length=10)
    tokens = models.BigIntegerField()
    micro = models.BigIntegerField(default=0)
    in_site = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.tokens} tokens for {self.generation_id}"
