"""Ends the demo's processes when the supervisor is gone without having ended them itself (kill -9, out of memory).

Run as a script, with nothing but the standard library. It is the first member of the process group that all children
join, so the group exists as long as it does; it reads a pipe whose other end only the supervisor holds. End of file
means that the supervisor is gone: ask the group to end, wait a little, then end it, itself included. It also holds the
lock of the data folder, so that no second demo starts on the same files before that is done.
"""

import os
import signal
import time

GRACE_S = 2.0


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_S)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
