"""The checker is tested before it judges: every rule catches a history planted for it, clean ones pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from tests.reliability.checker import RULES, check
from tests.reliability.histories import Story
from tests.reliability.history import AttemptTruth, Deadline, Entry, RowTruth, load, sha8

Spoil = Callable[[Story], None]


def deltas(story: Story, client: str = "c1", op: str = "apply") -> list[int]:
    """Places of plain deltas of one client."""
    return [
        place
        for place, entry in enumerate(story.entries)
        if entry.client == client and entry.op == op and entry.kind == "stream.delta" and not entry.follows
    ]


def change(story: Story, place: int, **values: object) -> None:
    story.entries[place] = replace(story.entries[place], **values)  # type: ignore[arg-type]


def again(story: Story, place: int, **values: object) -> None:
    """The same entry once more, at the client's end."""
    entry = story.entries[place]
    story.entries.append(replace(entry, t=entry.t + 60, **values))  # type: ignore[arg-type]


def ending(story: Story, client: str = "c1", op: str = "apply") -> int:
    places = [place for place, entry in enumerate(story.entries) if entry.kind == "stream.completed"]
    return next(place for place in places if story.entries[place].client == client and story.entries[place].op == op)


def row_without(story: Story, **values: object) -> None:
    story.truth.rows[story.stream] = replace(story.truth.rows[story.stream], **values)  # type: ignore[arg-type]


def not_prefix(story: Story) -> None:
    change(story, deltas(story)[2], sha8=sha8("something else"))


def gap(story: Story) -> None:
    del story.entries[deltas(story)[2]]


def duplicate(story: Story) -> None:
    place = deltas(story)[2]
    story.entries.insert(place + 1, story.entries[place])


def nonmonotonic(story: Story) -> None:
    first, second = deltas(story)[1:3]
    story.entries[first], story.entries[second] = story.entries[second], story.entries[first]


def divergent(story: Story) -> None:
    place = deltas(story, op="recv")[1]
    again(story, place, client="c9", sha8=sha8("other"))


def lost_write(story: Story) -> None:
    del story.entries[deltas(story)[2]]
    story.entries = [entry for entry in story.entries if entry.kind != "stream.snapshot"]


def shrunk(story: Story) -> None:
    place = deltas(story)[3]
    change(story, place, length=2, sha8=sha8(story.text[:2]))


def two_terminals(story: Story) -> None:
    again(story, ending(story, op="recv"), kind="stream.stopped", client="c9")


def other_terminal_than_the_row(story: Story) -> None:
    row_without(story, status="stopped")


def event_after_terminal(story: Story) -> None:
    attempt, _, seq = story.entries[ending(story)].position.partition("-")
    again(story, ending(story), kind="stream.usage", position=f"{attempt}-{int(seq) + 1}")


def no_terminal_in_the_row(story: Story) -> None:
    row_without(story, status="streaming")


def no_terminal_for_a_reader(story: Story) -> None:
    del story.entries[ending(story)]


def lost_accept(story: Story) -> None:
    story.entries.append(Entry(1.0, "c0", 1, "accept", "nobody-knows"))


def more_calls_than_attempts(story: Story) -> None:
    story.truth.calls[story.stream] += 1


def one_attempt_twice(story: Story) -> None:
    row_without(story, attempts=(AttemptTruth(1, "completed"), AttemptTruth(1, "completed")))


def tokens_that_no_attempt_used(story: Story) -> None:
    row_without(story, output_tokens=99)


def one_message_accepted_twice(story: Story) -> None:
    story.entries.insert(0, Entry(0.0, "c0", 1, "accept", "another", kind="m1"))
    story.truth.rows["another"] = RowTruth("completed", "")
    place = next(at for at, entry in enumerate(story.entries) if entry.op == "accept" and entry.stream == story.stream)
    change(story, place, kind="m1")


def leak(story: Story) -> None:
    story.truth.revoked["c1", story.stream] = -6.0


def late(story: Story) -> None:
    story.truth.deadlines.append(Deadline("worker lost", story.stream, 0.0, 0.5, frozenset({"stream.started"})))


PLANTED: list[tuple[str, Spoil]] = [
    ("not-prefix", not_prefix),
    ("gap", gap),
    ("duplicate", duplicate),
    ("nonmonotonic", nonmonotonic),
    ("divergent", divergent),
    ("lost-write", lost_write),
    ("shrunk", shrunk),
    ("two-terminals", two_terminals),
    ("two-terminals", other_terminal_than_the_row),
    ("event-after-terminal", event_after_terminal),
    ("no-terminal", no_terminal_in_the_row),
    ("no-terminal", no_terminal_for_a_reader),
    ("lost-accept", lost_accept),
    ("double-bill", more_calls_than_attempts),
    ("double-bill", one_attempt_twice),
    ("double-bill", one_message_accepted_twice),
    ("double-bill", tokens_that_no_attempt_used),
    ("leak", leak),
    ("late", late),
]


@pytest.mark.parametrize(("rule", "spoil"), PLANTED, ids=lambda value: getattr(value, "__name__", value))
def test_a_planted_anomaly_is_caught(rule: str, spoil: Spoil) -> None:
    for seed in range(5):
        story = Story(seed)
        spoil(story)
        assert rule in {anomaly.rule for anomaly in check(story.entries, story.truth).violations}, seed


def test_every_rule_has_a_planted_history() -> None:
    assert {rule for rule, _ in PLANTED} == set(RULES)


@pytest.mark.parametrize("seed", range(50))
def test_a_clean_history_passes(seed: int) -> None:
    story = Story(seed)
    report = check(story.entries, story.truth)
    assert str(report).startswith("0 violations, 0 allowed"), report


def lose_text(story: Story, *, told: bool) -> None:
    """A client saw a word that the next attempt did not find any more, and then was given the text anew."""
    place = deltas(story)[3]
    entry = story.entries[place]
    change(story, place, length=entry.length + 5, sha8=sha8(story.text[: entry.length] + "gone!"))
    snapshot = replace(entry, t=entry.t + 0.01, kind="stream.snapshot", recovered=not told)
    story.entries.insert(place + 1, snapshot)


def test_text_lost_with_worker_and_memory_is_allowed_where_it_is_announced() -> None:
    story = Story(1)
    lose_text(story, told=True)
    story.truth.worker_losses, story.truth.memory_losses = [1.0], [2.0]
    report = check(story.entries, story.truth)
    assert report.violations == []
    assert {anomaly.rule for anomaly in report.allowed} == {"not-prefix", "shrunk"}


def test_the_exception_lasts_until_another_worker_took_over() -> None:
    """Until then only Redis has what was shown after the last checkpoint, however long ago the worker was lost."""
    story = Story(1)
    lose_text(story, told=True)
    story.truth.worker_losses, story.truth.memory_losses = [-9.0], [0.5]
    assert check(story.entries, story.truth).violations == []
    story.truth.worker_losses, story.truth.memory_losses = [-9.0], [3.5]
    assert check(story.entries, story.truth).violations


def test_a_database_that_was_locked_held_the_checkpoint_back() -> None:
    story = Story(1)
    lose_text(story, told=True)
    story.truth.worker_losses, story.truth.memory_losses = [1.0], [-5.0]
    assert check(story.entries, story.truth).violations
    story.truth.locked_s = 4.0
    assert check(story.entries, story.truth).violations == []


def test_a_lost_tail_counts_only_within_one_interval() -> None:
    story = Story(1)
    lose_text(story, told=True)
    story.truth.worker_losses, story.truth.tail_losses = [0.5], [1.5]
    assert check(story.entries, story.truth).violations == []
    story.truth.worker_losses = [-9.0]
    assert check(story.entries, story.truth).violations


@pytest.mark.parametrize(
    ("told", "worker", "memory"),
    [(False, [1.0], [2.0]), (True, [1.0], []), (True, [], [2.0]), (True, [1.0], [9.0])],
    ids=["nobody was told", "the worker alone", "the memory alone", "not within one interval"],
)
def test_the_exception_covers_nothing_else(told: bool, worker: list[float], memory: list[float]) -> None:
    story = Story(1)
    lose_text(story, told=told)
    story.truth.worker_losses, story.truth.memory_losses = worker, memory
    assert check(story.entries, story.truth).violations


def test_a_history_survives_being_written_down() -> None:
    story = Story(3)
    lines = [json.dumps(asdict(entry)) for entry in story.entries]
    assert load(lines) == story.entries
