"""How much may be on its way to one socket: pure arithmetic, no I/O and no clock (DESIGN 9).

Daphne takes everything at once and uvicorn fills the kernel's buffers first, so how fast a client reads shows only in
its acknowledgements.
"""

from __future__ import annotations

from collections import deque


def size_of(frame: str) -> int:
    """Bytes of a frame in UTF-8."""
    return len(frame) if frame.isascii() else len(frame.encode())


class SendWindow:
    """Bytes sent and not yet acknowledged, by envelope number. It is open while a whole envelope still fits, so that a
    window that opens a little does not send crumbs."""

    __slots__ = ("_acked", "_limit", "_pending", "in_flight", "sent_n")

    def __init__(self, limit: int, envelope: int) -> None:
        self._limit = max(0, limit - envelope)
        self._pending: deque[tuple[int, int]] = deque()
        self._acked = 0
        self.sent_n = 0
        self.in_flight = 0

    @property
    def is_open(self) -> bool:
        return self.in_flight <= self._limit

    def sent(self, size: int) -> int:
        """Note an envelope that is about to be sent; returns its number, counted from 1."""
        self.sent_n += 1
        self.in_flight += size
        self._pending.append((self.sent_n, size))
        return self.sent_n

    def ack(self, n: int) -> bool:
        """Everything up to envelope `n` has arrived; False if that was known. Raises ValueError for one never sent."""
        if n > self.sent_n:
            raise ValueError("acknowledged an envelope that was never sent")
        if n <= self._acked:
            return False
        self._acked = n
        pending = self._pending
        while pending and pending[0][0] <= n:
            self.in_flight -= pending.popleft()[1]
        return True


class Outbox:
    """Frames that wait for the writer, bounded in bytes. Control frames pass the bound: their number is bounded by the
    commands they answer, and `HARD` bounds even those."""

    __slots__ = ("_frames", "_hard", "_limit", "size")
    HARD = 8

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._hard = limit * self.HARD
        self._frames: list[str] = []
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._frames)

    @property
    def has_room(self) -> bool:
        """Half empty: worth waking those who were refused."""
        return self.size * 2 <= self._limit

    def put(self, frame: str, size: int) -> bool:
        """False: no room. A frame larger than the whole outbox enters an empty one."""
        total = self.size + size
        if total > self._limit and self._frames:
            return False
        self._frames.append(frame)
        self.size = total
        return True

    def put_control(self, frame: str, size: int) -> bool:
        """False only when far more waits than any honest client lets wait."""
        if self.size + size > self._hard and self._frames:
            return False
        self._frames.append(frame)
        self.size += size
        return True

    def take(self, limit: int) -> tuple[list[str], int]:
        """The oldest frames, at most `limit` bytes but at least one frame, and their size."""
        frames = self._frames
        size = self.size
        if size <= limit:
            self._frames = []
            self.size = 0
            return frames, size
        count, size = 0, 0
        for frame in frames:
            grown = size + size_of(frame)
            if count and grown > limit:
                break
            count, size = count + 1, grown
        self._frames = frames[count:]
        self.size -= size
        return frames[:count], size

    def clear(self) -> None:
        self._frames = []
        self.size = 0
