"""`/api/v1/streams`: an answer's events as they come, from wherever a program is; its state; its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Header, Query, Router, Status
from pydantic import WithJsonSchema

from chat.api import conf, event_format, leaving, open_streams, sse
from chat.api.access import access_row, access_stream, check_may_stop
from chat.api.bearer import KeyAuth, key_of
from chat.api.cursors import STREAM_PATTERN, Cursor, read_cursor
from chat.api.errors import Invalid, problem_of, status_of
from chat.api.event_format import EventFormat
from chat.api.models import ApiKey, Scope
from chat.api.open_streams import OpenStream
from chat.api.openapi import PROBLEMS, STREAMS
from chat.api.responses import JSONL, NDJSON, SSE, stream_response
from chat.api.schemas import Stopped, Stream, Usage
from chat.selectors import moment
from streaming import database
from streaming import services as streaming
from streaming.errors import Refused
from streaming.events import START, Position
from streaming.models import Generation
from streaming.states import TERMINAL

router = Router(tags=["Streams"])
_Id = Annotated[str, WithJsonSchema({"type": "string", "pattern": STREAM_PATTERN})]
StartingAfter = Annotated[_Id | None, Query(description="the id of the last event that you have")]
LastEventId = Annotated[_Id | None, Header(alias="Last-Event-ID", description="the same, as EventSource sends it")]
#: What a browser's EventSource waits before it comes back.
RETRY_MS: Final = 1000
_FORMS: Final = {"application/x-ndjson": NDJSON, "application/jsonl": JSONL, "application/json": NDJSON}


@router.get("/{uuid:stream_id}/events", auth=KeyAuth(Scope.READ), operation_id="read_events",
            openapi_extra=STREAMS, response={204: None, **PROBLEMS})  # fmt: skip
async def read_events(
    request: HttpRequest,
    stream_id: UUID,
    starting_after: StartingAfter = None,
    last_event_id: LastEventId = None,
) -> HttpResponseBase:
    """The events of an answer: those after the one that you have, then live ones, until the end. Server-sent events,
    or lines of JSON with `Accept: application/x-ndjson`. Without an id, or if it cannot be gone on from there, a
    snapshot of the text comes first. After the end there is nothing more: 204."""
    key, generation = key_of(request), str(stream_id)
    form = _form(request.headers.get("Accept", "*/*"))
    given = (last_event_id or None) if starting_after is None else starting_after
    cursor = None if given is None else read_cursor(given, generation)
    home, has_all = await database.call(_look, key, stream_id, cursor)
    if has_all:
        return HttpResponse(status=204)
    after, epoch = (cursor.position, cursor.epoch) if cursor else (None, None)
    stream = await open_streams.get().open(key, generation, home, after, epoch)
    try:
        first = await stream.reader.frames(0)
        if cursor is not None:
            _check_cursor(cursor, stream, first)
    except BaseException:
        stream.close()
        raise
    writer = EventFormat(generation, stream.reader.opened.epoch, as_lines=form != SSE)
    return stream_response(_events(request.path, stream, writer, first), form, {"X-Stream-Id": generation})


def _look(key: ApiKey, stream_id: UUID, cursor: Cursor | None) -> tuple[UUID | None, bool]:
    """The stream's conversation, and whether the program has its end already: that is in the row, with or without a
    log. Raises NotFound."""
    home = access_stream(key, stream_id)
    if home is None:
        leaving.came_back(str(stream_id))
    if cursor is None:
        return home, False
    at, seq = cursor.position
    ended = Generation.objects.filter(pk=stream_id, position_attempt=at, position_seq=seq, status__in=TERMINAL)
    return home, ended.exists()


def _form(accept: str) -> str:
    wanted = [word.partition(";")[0].strip().lower() for word in accept.split(",")]
    for kind in wanted:
        if kind in ("text/event-stream", "text/*", "*/*", ""):
            return SSE
        if kind in _FORMS or kind == "application/*":
            return _FORMS.get(kind, NDJSON)
    raise Refused("Events come as text/event-stream or as application/x-ndjson.", code="not_acceptable")


def _check_cursor(cursor: Cursor, stream: OpenStream, first: list[str]) -> None:
    """A position that was never reached. After a loss of Redis the epoch is another one: then it may have been."""
    opened = stream.reader.opened
    head = event_format.head_of(first)
    is_whole = stream.reader.waiting_bytes == 0
    if cursor.position == START or not event_format.begins_anew(first) or head is None or not is_whole:
        return
    same_epoch = cursor.epoch is None or opened.epoch in (None, cursor.epoch)
    if same_epoch and cursor.position > Position.parse(head):
        raise Invalid("This stream has no such event yet.", param="starting_after", code="future_position")


async def _events(path: str, stream: OpenStream, writer: EventFormat, frames: list[str]) -> AsyncGenerator[str]:
    try:
        if not writer.as_lines:
            yield f"retry: {RETRY_MS}\n{sse.comment('events')}"
        while frames or not stream.reader.exhausted:
            yield "".join(map(writer.write, frames)) if frames else writer.silence()
            frames = await stream.reader.frames(conf.get().heartbeat_s)
        if stream.cut_by is not None:
            problem = problem_of(stream.cut_by, status_of(stream.cut_by, path), path, "")
            yield writer.cut(sse.compact(problem))
    finally:
        stream.close()


@router.get("/{uuid:stream_id}", auth=KeyAuth(Scope.READ), operation_id="get_stream",
            response={200: Stream, **PROBLEMS})  # fmt: skip
async def get_stream(request: HttpRequest, stream_id: UUID) -> Stream:
    """What is known of an answer now."""
    return _shown(await database.call(access_row, key_of(request), stream_id))


def _shown(row: Generation) -> Stream:
    return Stream(
        id=row.pk,
        status=row.status,  # type: ignore[arg-type]  # its choices are those of the schema
        model=row.model,
        text=row.text,
        position=f"{row.position_attempt}-{row.position_seq}",
        finish_reason=row.finish_reason,
        error_code=row.error_code,
        error_message=row.error_message,
        error_retryable=row.error_retryable,
        usage=Usage(input_tokens=row.input_tokens, output_tokens=row.output_tokens, cached_tokens=row.cached_tokens),
        requested_at=moment(row.requested_at),
        first_text_ms=_since(row, row.first_text_at),
        duration_ms=_since(row, row.finished_at),
        events_url=f"/api/v1/streams/{row.pk}/events",
    )


def _since(row: Generation, at: object) -> int | None:
    return None if at is None else round((at - row.requested_at).total_seconds() * 1000)  # type: ignore[operator]


@router.post("/{uuid:stream_id}/stop", auth=KeyAuth(Scope.CHAT), operation_id="stop_stream",
             response={202: Stopped, **PROBLEMS})  # fmt: skip
async def stop_stream(request: HttpRequest, stream_id: UUID) -> Status[Stopped]:
    """Ask for its end; the text so far stays. Asking twice changes nothing."""
    await database.call(check_may_stop, key_of(request), stream_id)
    return Status(202, Stopped(status=await streaming.request_stop(str(stream_id))))  # type: ignore[arg-type]
