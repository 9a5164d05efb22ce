"""Whatever the engine and the rights say to people can be said in their language."""

from collections.abc import Iterator

from chat import access, changes, revalidation
from chat.sentences import SENTENCES
from streaming import lifecycle, runner, services, stream_feed  # noqa: F401 - all kinds of errors are known then
from streaming.errors import StreamingError
from streaming.providers.refusals import VERDICTS


def _kinds(kind: type[StreamingError]) -> Iterator[type[StreamingError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


def test_every_error_that_people_may_read_stands_in_the_list_for_translators() -> None:
    said = {kind.message for kind in _kinds(StreamingError) if kind.__module__.split(".")[0] in ("streaming", "chat")}
    said |= {verdict.message for verdict in VERDICTS.values() if verdict.message}
    said |= {lifecycle.GOES_ON, changes.QUEUE_IS_AWAY, revalidation.REMOVED, *access._NEEDED.values()}
    assert said <= set(SENTENCES)


def test_no_sentence_stands_twice_in_it() -> None:
    assert len(SENTENCES) == len(set(SENTENCES))
