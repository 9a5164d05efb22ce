"""Versions make a tree of a conversation's messages, and everybody in it sees one path of that tree.

A question can be asked again and an answer made anew: both make a sibling, and what was said after the other one stays
below that. Ids of questions grow along a path, those of answers too, and an answer's is greater than its question's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from chat.models import Conversation, Message

#: Ids in one statement: SQLite allows 32,766 arguments, older ones 999.
_IDS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Node:
    pk: int
    parent: int | None


class Tree:
    def __init__(self, nodes: Iterable[Node]) -> None:
        self._parents = {node.pk: node.parent for node in nodes}
        self._newest_child: dict[int, int] = {}
        for pk, parent in self._parents.items():
            if parent is not None:
                self._newest_child[parent] = max(pk, self._newest_child.get(parent, 0))

    def path_to(self, message: int | None) -> set[int]:
        """The message and what it follows, back to the first question."""
        path: set[int] = set()
        while message is not None and message in self._parents and message not in path:
            path.add(message)
            message = self._parents[message]
        return path

    def path_through(self, message: int) -> set[int]:
        """The path to the message, and the newest of what was said after it."""
        return self.path_to(message) | set(self._below(message))

    def _below(self, message: int) -> Iterator[int]:
        # An edge always leads to a message that was made later or, if it had to wait, attached later: no circle.
        below = self._newest_child.get(message)
        while below is not None:
            yield below
            below = self._newest_child.get(below)


def tree_of(conversation: UUID) -> Tree:
    """All that was ever asked and answered there; what still waits belongs to no path."""
    sent = Message.objects.filter(conversation_id=conversation, state=Message.State.SENT)
    return Tree(Node(pk, parent) for pk, parent in sent.order_by().values_list("pk", "parent_id").iterator())


def show(conversation: Conversation, path: set[int]) -> None:
    """Make `path` the shown one. What comes and what goes is stamped with the conversation's current revision."""
    sent = Message.objects.filter(conversation=conversation, state=Message.State.SENT)
    shown = set(sent.filter(shown=True).order_by().values_list("pk", flat=True))
    for is_shown, ids in ((False, shown - path), (True, path - shown)):
        ordered = sorted(ids)
        for start in range(0, len(ordered), _IDS_AT_ONCE):
            some = Message.objects.filter(pk__in=ordered[start : start + _IDS_AT_ONCE])
            some.update(shown=is_shown, revision=conversation.revision)
