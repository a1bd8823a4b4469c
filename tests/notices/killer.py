"""Run `send_notices` in processes that kill themselves at a chosen step.

``python -m tests.notices.killer`` reads a number from each line of standard input, and starts a
process that ends with SIGKILL at that step; at none for 0. It answers with the number of steps that
the process has begun, which is 0 for one that was killed.
"""

import io
import os
import signal
import sys

import django
from django.core.mail.utils import DNS_NAME
from django.core.management import call_command
from django.db import connections

STEPS_OF = ("/tokens/notices/", "/smtplib.py", "/django/db/transaction.py")


def main() -> None:
    django.setup()
    from django.contrib.auth import get_user_model

    from tokens.models import Notice
    from tokens.notices.mail import build

    # What each process would otherwise load again.
    send(fatal=0)
    build(Notice(user=get_user_model()(username="alice")), to="alice@example.com")
    DNS_NAME.get_fqdn()
    connections.close_all()
    for line in sys.stdin:
        print(run(int(line)), flush=True)


def run(fatal: int) -> int:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        begun = send(fatal)
        os.write(writer, str(begun).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as answer:
        return int(answer.read() or 0)


def send(fatal: int) -> int:
    """Send what is due. Each call and return of a function, and of one in C, begins a step."""
    begun = 0

    def count(frame, event, argument):
        nonlocal begun
        if any(name in frame.f_code.co_filename for name in STEPS_OF):
            begun += 1
            if begun == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    try:
        call_command("send_notices", stdout=io.StringIO())
    finally:
        sys.setprofile(None)
    return begun


if __name__ == "__main__":
    main()
