"""The ledger and what is added up from it. Nothing here has content; rows outlive the conversations they were for."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Attempt(models.Model):
    """One claim of a generation, which is one call to a provider if it asked one: the ledger's line. `outcome` is empty
    while it runs; then `retried`, `lost` (with its worker), or the status in which it ended its generation.

    The three waits, in milliseconds, add up to the time from accepted (or put back) to the provider's first text:
    `waited_ms` until its lane let it start, `handoff_ms` until the provider was asked, `provider_ms` until its first
    text. `ttft_ms` is what the person felt: from accepted to the generation's first text, on the attempt that wrote it.
    """

    generation = models.ForeignKey(
        "streaming.Generation", on_delete=models.SET_NULL, null=True, blank=True, related_name="attempts"
    )
    number = models.PositiveIntegerField()
    #: Copies: the ledger is read by them without the generations, and when those are deleted.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    model = models.CharField(max_length=100, blank=True, default="", help_text="alias")
    provider = models.CharField(max_length=20, blank=True, default="")
    lane = models.CharField(max_length=120, blank=True, default="")

    worker = models.CharField(max_length=80)
    started_at = models.DateTimeField(auto_now_add=True)
    first_text_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    waited_ms = models.PositiveIntegerField(null=True, blank=True)
    handoff_ms = models.PositiveIntegerField(null=True, blank=True)
    provider_ms = models.PositiveIntegerField(null=True, blank=True)
    ttft_ms = models.PositiveIntegerField(null=True, blank=True)
    #: Characters of the answer that were there before it: what is beyond is its own.
    text_before = models.PositiveIntegerField(default=0)

    outcome = models.CharField(max_length=20, blank=True, default="")
    error_code = models.CharField(max_length=60, blank=True, default="")
    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    cached_tokens = models.PositiveIntegerField(null=True, blank=True)
    usage_source = models.CharField(
        max_length=10,
        blank=True,
        default="",
        help_text="who counted: provider; counted (by us); reserved (lost, so far a guess); kept (the vendor's run "
        "goes on and is counted by the attempt that ends it); empty: nobody was asked, or the provider refused",
    )
    #: Millionths of a US dollar; None: no price is known.
    cost_micro = models.BigIntegerField(null=True, blank=True)
    price_source = models.CharField(max_length=60, blank=True, default="")
    #: Whether the rollups have it as it stands.
    in_rollup = models.BooleanField(default=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["generation", "number"], name="attempt_once"),)
        indexes = (
            models.Index(fields=["ended_at"], name="attempt_by_end"),
            models.Index(fields=["user", "ended_at"], name="attempt_of_user"),
            models.Index(
                fields=["id"], name="attempt_to_roll_up", condition=Q(in_rollup=False, ended_at__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return f"{self.generation_id} attempt {self.number}"


class PriceOverride(models.Model):
    """What a model costs from a day on, where the library does not know it or this site has other terms. The newest one
    that is in force and fits wins; an exact name wins over a pattern."""

    pattern = models.CharField(max_length=120, help_text=_("alias of the model; * stands for anything"))
    valid_from = models.DateField(help_text=_("from 00:00 UTC of this day"))
    input_per_million = models.DecimalField(max_digits=12, decimal_places=6, help_text=_("US dollars"))
    output_per_million = models.DecimalField(max_digits=12, decimal_places=6, help_text=_("US dollars"))
    cached_per_million = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True, help_text=_("US dollars; empty: as other input")
    )
    note = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["pattern", "valid_from"], name="price_once"),)

    def __str__(self) -> str:
        return f"{self.pattern} from {self.valid_from}"


class _Amounts(models.Model):
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cached_tokens = models.BigIntegerField(default=0)
    cost_micro = models.BigIntegerField(default=0)
    #: Attempts whose tokens have no known price: the cost is at least what `cost_micro` says.
    unpriced = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True


class UsageRollup(_Amounts):
    """The ended attempts of one model in one lane, in a minute (`span_s` 60), later in an hour (3600), by their end.
    Made from the ledger as a whole, however often; histograms are counts per bucket of `buckets.EDGES_MS`."""

    start = models.DateTimeField()
    span_s = models.PositiveIntegerField(default=60)
    model = models.CharField(max_length=100)
    provider = models.CharField(max_length=20)
    lane = models.CharField(max_length=120)
    completed = models.PositiveIntegerField(default=0)
    stopped = models.PositiveIntegerField(default=0)
    interrupted = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    expired = models.PositiveIntegerField(default=0)
    retried = models.PositiveIntegerField(default=0)
    lost = models.PositiveIntegerField(default=0)
    ttft = models.JSONField(default=list)
    waited = models.JSONField(default=list)
    handoff = models.JSONField(default=list)
    provider_wait = models.JSONField(default=list)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["span_s", "start", "model", "provider", "lane"], name="usage_rollup_once"),
        )
        indexes = (models.Index(fields=["start"], name="usage_rollup_by_start"),)

    def __str__(self) -> str:
        return f"{self.model} {self.start:%Y-%m-%d %H:%M} ({self.span_s} s)"


class UserRollup(_Amounts):
    """What one person used of one model in an hour (`span_s` 3600), later in a day (86400)."""

    start = models.DateTimeField()
    span_s = models.PositiveIntegerField(default=3600)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    model = models.CharField(max_length=100)
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["span_s", "start", "user", "model"], name="user_rollup_once"),)
        indexes = (
            models.Index(fields=["start"], name="user_rollup_by_start"),
            models.Index(fields=["user", "start"], name="user_rollup_of_user"),
        )

    def __str__(self) -> str:
        return f"{self.user_id} {self.model} {self.start:%Y-%m-%d %H:%M} ({self.span_s} s)"


class LoadRollup(models.Model):
    """How busy one lane was in a minute, later in an hour; lane "" is the whole site, and alone has the counts, which
    processes report (`load.py`): what Redis forgets before it is written here is missing."""

    start = models.DateTimeField()
    span_s = models.PositiveIntegerField(default=60)
    lane = models.CharField(max_length=120, blank=True, default="")
    peak_running = models.PositiveIntegerField(default=0)
    peak_waiting = models.PositiveIntegerField(default=0)
    peak_sockets = models.PositiveIntegerField(default=0)
    resumes = models.BigIntegerField(default=0)
    gaps_healed = models.BigIntegerField(default=0)
    slow_clients = models.BigIntegerField(default=0)
    shed = models.BigIntegerField(default=0)
    chunks = models.BigIntegerField(default=0)
    chunk_bytes = models.BigIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["span_s", "start", "lane"], name="load_rollup_once"),)
        indexes = (models.Index(fields=["start"], name="load_rollup_by_start"),)

    def __str__(self) -> str:
        return f"{self.lane or 'all'} {self.start:%Y-%m-%d %H:%M} ({self.span_s} s)"
