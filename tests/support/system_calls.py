"""Record the files, hosts and programs that this process opens, contacts or starts.

The interpreter reports them (PEP 578), whichever library is the caller.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

REACHING = {
    "open",
    "os.exec",
    "os.listdir",
    "os.posix_spawn",
    "os.scandir",
    "os.system",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.sendto",
    "subprocess.Popen",
    "urllib.Request",
}
_recorders: dict[int, list[str]] = {}
_hooked: list[bool] = []


def _heard(event: str, args: tuple[object, ...]) -> None:
    if event in REACHING and (record := _recorders.get(get_ident())) is not None:
        record.append(f"{event} {args[:2]!r}")


@contextmanager
def reaching() -> Iterator[list[str]]:
    """Yield the list of what this thread opens inside the block."""
    if not _hooked:
        # A hook cannot be taken away again: there is one, and it is idle outside the block.
        sys.addaudithook(_heard)
        _hooked.append(True)
    seen = _recorders[get_ident()] = []
    try:
        yield seen
    finally:
        del _recorders[get_ident()]
