"""A name server for one name, whose addresses change: what Docker's does when web processes are scaled."""

from __future__ import annotations

import socket
import struct
import threading


class NameServer:
    """Answers every question with `addresses`; `asked` counts them."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> NameServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            question, sender = self._socket.recvfrom(512)
            if not question:
                return
            self.asked += 1
            self._socket.sendto(self._answer(question), sender)

    def _answer(self, question: bytes) -> bytes:
        end = question.index(b"\0", 12) + 5  # the name, its type and class
        head = question[:2] + struct.pack("!5H", 0x8180, 1, len(self.addresses), 0, 0)
        # 0xc00c: the name that was asked for; type A, class IN, lifetime 0, 4 bytes.
        record = struct.pack("!HHHIH", 0xC00C, 1, 1, 0, 4)
        return head + question[12:end] + b"".join(record + socket.inet_aton(address) for address in self.addresses)
