"""The streams that programs read here: whose they are, whether they still may, and their end when this process ends.

Rights are of now, as for sockets (`revalidation`): one batch of queries per process every 4 s for all open streams.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from chat import restart
from chat.api import conf
from chat.api.models import ApiKey
from chat.models import Participant
from streaming import database
from streaming.errors import Refused, StreamingError
from streaming.events import Position
from streaming.per_loop import PerLoop
from streaming.stream_reader import StreamReader, open_reader

PERIOD_S: Final = 4.0
#: Within which the first frames of an open stream are taken.
BEGIN_S: Final = 10.0
log = logging.getLogger(__name__)


class Restarting(Refused):
    code = "restarting"
    message = "This server restarts. The answer goes on; read it again in a moment."
    retryable = True


class OpenStream:
    """`home`: the conversation of its answer; None if it has none. `cut_by`: why we ended it, if we did. `on_left()` is
    called once if it is closed before it is `over`: its program is gone."""

    def __init__(
        self, key: ApiKey, generation: str, home: UUID | None, on_left: Callable[[], None] = lambda: None
    ) -> None:
        self.key = key
        self.generation = generation
        self.home = home
        self.over = False
        self._on_left = on_left
        self.reader: StreamReader
        self.cut_by: StreamingError | None = None

    def cut(self, error: StreamingError) -> None:
        self.cut_by = error
        self.over = True  # it is told why, and can come back
        self.reader.close()

    def close(self) -> None:
        """Safe to call more than once."""
        self.reader.close()

    def closed(self) -> None:
        """The reader is closed, by whomever."""
        if not self.over:
            self.over = True
            self._on_left()

    def close_unless_read(self) -> None:
        """A client that goes away before its response was begun leaves nothing behind but this."""
        if not self.reader.was_read:
            self.close()


class OpenStreams:
    """One per process and event loop: see `get`."""

    def __init__(self) -> None:
        self.all: set[OpenStream] = set()
        self.restarting = False
        #: Rooms of keys whose questions are being accepted just now, by key.
        self._held: Counter[int] = Counter()
        self._revalidation: asyncio.Task[None] | None = None

    async def open(
        self,
        key: ApiKey,
        generation: str,
        home: UUID | None = None,
        after: Position | None = None,
        epoch: str | None = None,
        on_left: Callable[[], None] = lambda: None,
    ) -> OpenStream:
        """Rights are checked by the caller, now. Raises Refused."""
        restart.prepare()
        self.check_room(key)
        stream = OpenStream(key, generation, home, on_left)
        self.all.add(stream)
        try:
            stream.reader = await open_reader(generation, after, epoch, lambda: self._closed(stream))
        except BaseException:
            self._closed(stream)
            raise
        asyncio.get_running_loop().call_later(BEGIN_S, stream.close_unless_read)
        if self._revalidation is None:
            self._revalidation = asyncio.create_task(self._run(), name="revalidation of streams")
        return stream

    def _closed(self, stream: OpenStream) -> None:
        self.all.discard(stream)
        stream.closed()

    def check_room(self, key: ApiKey) -> None:
        """Raises Refused."""
        if self.restarting:
            raise Restarting(retry_after_s=1.0)
        most = conf.get().streams_per_key
        if sum(stream.key.pk == key.pk for stream in self.all) + self._held[key.pk] >= most:
            raise Refused(f"One key reads at most {most} streams at once.", code="too_many_streams", retryable=True)

    @contextmanager
    def room(self, key: ApiKey) -> Iterator[None]:
        """Kept meanwhile: many questions at once would else all find the last place free, be accepted and paid for, and
        then be refused. Who opens a stream right afterwards, without waiting, has its place. Raises Refused."""
        self.check_room(key)
        self._held[key.pk] += 1
        try:
            yield
        finally:
            self._held[key.pk] -= 1
            if not self._held[key.pk]:
                del self._held[key.pk]

    def end(self) -> None:
        """Clients go on elsewhere: nobody holds up the end of this process."""
        self.restarting = True
        for stream in self._opened():
            stream.cut(Restarting(retry_after_s=1.0))

    def _opened(self) -> list[OpenStream]:
        return [stream for stream in self.all if hasattr(stream, "reader")]

    async def _run(self) -> None:
        while self.all:
            await asyncio.sleep(PERIOD_S)
            try:
                await self.check()
            except Exception as error:  # the database is away: nobody can have been removed since
                log.warning("rights could not be checked: %r", error)
        self._revalidation = None

    async def check(self) -> None:
        """One round."""
        streams = self._opened()
        keys = {stream.key.pk for stream in streams}
        homes = {stream.home for stream in streams if stream.home is not None}
        valid, here = await database.call(_standing, keys, homes)
        for stream in streams:
            if stream.key.pk not in valid:
                stream.cut(Refused("This API key is not valid any more.", code="invalid_api_key"))
            elif stream.home is not None and (stream.home, stream.key.user_id) not in here:
                stream.cut(Refused("You no longer take part in this conversation.", code="forbidden"))


def _standing(keys: Iterable[int], homes: Iterable[UUID]) -> tuple[set[int], set[tuple[UUID, int]]]:
    living = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    valid = ApiKey.objects.filter(living, pk__in=list(keys), revoked_at__isnull=True, user__is_active=True)
    here = Participant.objects.filter(
        conversation_id__in=list(homes), conversation__deleted_at__isnull=True
    ).values_list("conversation_id", "user_id")
    return set(valid.values_list("pk", flat=True)), set(here)


#: That of the running loop.
get: Final = PerLoop(OpenStreams).get


restart.when_ending(lambda: get().end())
