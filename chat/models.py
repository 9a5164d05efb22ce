"""People, conversations and messages. An answer's text stays on its Generation; a message only points to it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

UNTITLED = "New conversation"
"""What a conversation is called while nobody has given it a name; in the reader's language where people read it."""


class Conversation(models.Model):
    """`revision` goes up by one in each transaction that changes what participants see: a hole in it tells a client
    that it missed something."""

    class TitleBy(models.TextChoices):
        """Whoever stands lower here never overwrites what one above wrote."""

        PERSON = "person"
        MODEL = "model"
        #: The first words of the first question.
        WORDS = "words"

    class ReplyPolicy(models.TextChoices):
        """Which messages a model answers."""

        ALWAYS = "always"
        #: Those that say @assistant, or @ and the name of a model.
        MENTION = "mention"
        OFF = "off"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title = models.CharField(max_length=120, blank=True, default="")
    title_by = models.CharField(max_length=6, choices=TitleBy.choices, blank=True, default="")
    reply_policy = models.CharField(max_length=7, choices=ReplyPolicy.choices, default=ReplyPolicy.ALWAYS)
    system_prompt = models.TextField(blank=True, default="", max_length=20_000)
    revision = models.PositiveBigIntegerField(default=0)
    #: The revision of the newest message or answer, and who wrote it (a model: nobody). Whoever has read less, and did
    #: not write it, has something unread.
    news_revision = models.PositiveBigIntegerField(default=0)
    news_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    #: From then on nobody finds it; the rows go later (`clean_up`), so that it can be undone.
    deleted_at = models.DateTimeField(null=True, blank=True, db_index=True)
    people = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Participant", related_name="conversations")

    class Meta:
        ordering = ("-changed_at",)

    def __str__(self) -> str:
        return self.title or UNTITLED


class Participant(models.Model):
    class Role(models.TextChoices):
        OWNER = "owner"
        MEMBER = "member"
        VIEWER = "viewer"

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="participants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="participations")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.MEMBER)
    joined_at = models.DateTimeField(auto_now_add=True)
    #: The revision up to which this person has seen everything; it only grows.
    read_revision = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["conversation", "user"], name="participant_once"),)

    def __str__(self) -> str:
        return f"{self.user_id} in {self.conversation_id} ({self.role})"


class Invite(models.Model):
    """A conversation's link for joining it. The link is `key`, signed: whoever only has this row cannot make it. A
    reset gives it another key, and links of before lead nowhere."""

    class Role(models.TextChoices):
        MEMBER = "member"
        VIEWER = "viewer"

    conversation = models.OneToOneField(Conversation, on_delete=models.CASCADE, related_name="invite")
    key = models.UUIDField(default=uuid.uuid4, unique=True)
    role = models.CharField(max_length=6, choices=Role.choices, default=Role.MEMBER)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"invite to {self.conversation_id} until {self.expires_at:%Y-%m-%d %H:%M}"


class Share(models.Model):
    """A copy of a conversation, as it was when it was taken, for whoever has its link. The link is `key`, signed, as an
    invite's is. Without names people are told apart by numbers."""

    conversation = models.OneToOneField(Conversation, on_delete=models.CASCADE, related_name="share")
    key = models.UUIDField(default=uuid.uuid4, unique=True)
    title = models.CharField(max_length=120, blank=True, default="")
    with_names = models.BooleanField(default=False)
    #: The link works as long as this account does.
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    taken_at = models.DateTimeField()
    #: Empty: until it is withdrawn.
    expires_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"share of {self.conversation_id} as of {self.taken_at:%Y-%m-%d %H:%M}"


class SharedMessage(models.Model):
    share = models.ForeignKey(Share, on_delete=models.CASCADE, related_name="messages")
    number = models.PositiveIntegerField()
    #: Which of the people wrote it, from 1 on; 0: a model.
    person = models.PositiveIntegerField(default=0)
    #: The shown name of who wrote it, or the model's; empty: nobody is named.
    writer = models.CharField(max_length=400, blank=True, default="")
    text = models.TextField()
    #: As the answer's generation had them (`streaming.answer_blocks`).
    blocks = models.TextField(blank=True, default="")

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=["share", "number"], name="shared_message_once"),)

    def __str__(self) -> str:
        return f"message {self.number} of share {self.share_id}"


class Errand(models.Model):
    """A generation that writes no message: what it is for. It passes lanes, budgets and the ledger like any other."""

    class Kind(models.TextChoices):
        TITLE = "title"
        SUMMARY = "summary"

    generation = models.OneToOneField(
        "streaming.Generation", on_delete=models.CASCADE, primary_key=True, related_name="errand"
    )
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="errands")
    kind = models.CharField(max_length=10, choices=Kind.choices)

    def __str__(self) -> str:
        return f"{self.kind} for {self.conversation_id}"


class Message(models.Model):
    """Messages make a tree (`chat.branches`): the parent of an answer is its question, that of a question the message
    that it follows. Everybody in a conversation sees one path of it, the `shown` one; what the model is told is the
    path that leads to its question. `client_message_id` makes sending idempotent per author."""

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    class State(models.TextChoices):
        SENT = "sent"
        #: A question that waits for the running answer to end; its own answer is made then.
        PENDING = "pending"
        #: It waited and was withdrawn. The row stays, so that sending it again does not bring it back.
        DROPPED = "dropped"

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="children")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    role = models.CharField(max_length=9, choices=Role.choices)
    state = models.CharField(max_length=7, choices=State.choices, default=State.SENT)
    text = models.TextField(blank=True, default="")
    shown = models.BooleanField(default=True)
    #: On each of several versions of a message, the first one included; most messages have one version.
    first_version = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="versions")
    #: The model asked for (questions); the answer's own model stands on its generation.
    model = models.CharField(max_length=100, blank=True, default="")
    generation = models.OneToOneField(
        "streaming.Generation", on_delete=models.SET_NULL, null=True, blank=True, related_name="message"
    )
    client_message_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - NULLs never collide
    #: The conversation's revision in which this message last changed.
    revision = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    edited_at = models.DateTimeField(null=True, blank=True)
    #: Of a copied answer, which has no generation: how it ended if not whole (stopped, interrupted, failed).
    ended = models.CharField(max_length=11, blank=True, default="")

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["author", "client_message_id"], name="message_once"),)
        indexes = (
            models.Index(fields=["conversation", "revision"], name="message_changed_since"),
            models.Index(fields=["conversation", "id"], name="message_path", condition=models.Q(shown=True)),
            # Few wait at any time; whose they are is asked with every page of a person who has a budget.
            models.Index(fields=["author"], name="message_waiting", condition=models.Q(state="pending")),
        )

    def __str__(self) -> str:
        return f"{self.role} message {self.pk}"


class ClientCommand(models.Model):
    """What a command made that carried a name (`repeats`). One name of one person is one command. Kept for 30 days."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=64)
    about = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="+")
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="+")
    generation = models.UUIDField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "name"], name="command_once"),)

    def __str__(self) -> str:
        return f"command {self.name} of {self.user_id}"


class Rating(models.Model):
    """What one person thinks of one answer; nobody else is shown it. It still counts when the answer is gone."""

    message = models.ForeignKey(Message, on_delete=models.SET_NULL, null=True, related_name="ratings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    #: The one that wrote the answer.
    model = models.CharField(max_length=100)
    is_good = models.BooleanField()
    rated_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["message", "user"], name="rating_once"),)

    def __str__(self) -> str:
        return f"{'good' if self.is_good else 'bad'}: message {self.message_id}"


class Summary(models.Model):
    """What a model is told instead of the messages up to one of them. `messages` and `asked_at` say of what it was
    made: once more, fewer or other words stand there, it is used no longer (`summaries`)."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="summaries")
    through_message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="+")
    #: The question that `through_message` is or answers.
    through_turn = models.PositiveBigIntegerField()
    messages = models.PositiveIntegerField()
    text = models.TextField(blank=True, default="")
    model = models.CharField(max_length=100, blank=True, default="")
    generation = models.OneToOneField("streaming.Generation", on_delete=models.SET_NULL, null=True, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    #: Empty while it is being made.
    made_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "summaries"
        indexes = (models.Index(fields=["conversation", "through_turn"], name="summary_of_path"),)

    def __str__(self) -> str:
        return f"summary of {self.conversation_id} through message {self.through_message_id}"
