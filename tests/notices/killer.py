"""Run `send_notices` in processes that kill themselves, see `tests.support.step_killer`."""

import io

import django
from django.core.mail.utils import DNS_NAME
from django.core.management import call_command

from tests.support.step_killer import answer

STEPS_OF = ("/tokens/notices/", "/smtplib.py", "/django/db/transaction.py")


def main() -> None:
    django.setup()
    from django.contrib.auth import get_user_model

    from tokens.models import Notice
    from tokens.notices.mail import build

    # What each process would otherwise load again.
    send()
    build(Notice(user=get_user_model()(username="alice")), to="alice@example.com")
    DNS_NAME.get_fqdn()
    answer(send, begins_step)


def send() -> None:
    call_command("send_notices", stdout=io.StringIO())


def begins_step(event: str, file: str) -> bool:
    """Count each call and return of a function of these files, and of one in C."""
    return any(name in file for name in STEPS_OF)


if __name__ == "__main__":
    main()
