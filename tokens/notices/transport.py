"""Hand one message over, so that a process that is killed never sends it twice.

An SMTP server takes a message when it receives the dot at its end, and a connection that breaks
before takes nothing (RFC 5321, sections 4.1.1.4 and 4.1.1.5). The row is marked directly before the
dot: until then an attempt can be repeated. After it, only the server knows whether it has the
message, until its answer is here.
"""

import re
import smtplib
import socket
from collections.abc import Callable
from email.utils import parseaddr

from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend

LINE_END = re.compile(rb"\r\n|\r|\n")
LINE_DOT = re.compile(rb"^\.", re.MULTILINE)
# How long the server may take for its answer to the dot (RFC 5321, section 4.5.3.2.6).
ANSWER_SECONDS = 600
# How long any other step may take, if EMAIL_TIMEOUT says nothing.
STEP_SECONDS = 10


class NotSent(Exception):
    """The message was not taken.

    ``for_good``: no further attempt makes sense. ``server``: it says nothing about this message;
    the server can't be reached, or takes none.
    """

    def __init__(self, why: str, *, for_good: bool = False, server: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good
        self.server = server


class Unconfirmed(Exception):
    """The message was sent in full, and no answer came."""


class Transport:
    """Send messages with the project's e-mail backend, over one connection."""

    def __init__(self) -> None:
        self._backend: BaseEmailBackend = get_connection()
        if isinstance(self._backend, EmailBackend) and self._backend.timeout is None:
            self._backend.timeout = STEP_SECONDS

    def send(self, message: EmailMessage, *, hand_over: Callable[[], None]) -> None:
        """Send a message, and call ``hand_over`` before the point of no return.

        Raises `NotSent` and `Unconfirmed`. If ``hand_over`` raises, nothing is sent.
        """
        if isinstance(self._backend, EmailBackend):
            self._send_by_smtp(self._backend, message, hand_over)
            return
        hand_over()
        try:
            self._backend.send_messages([message])
        except Exception as error:
            # A backend of the project may have sent it or not.
            raise Unconfirmed(_text_of(error)) from error

    def close(self) -> None:
        """End the connection."""
        try:
            self._backend.close()
        except OSError:
            self._drop()

    def _send_by_smtp(
        self, backend: EmailBackend, message: EmailMessage, hand_over: Callable[[], None]
    ) -> None:
        usable = False
        try:
            smtp = _opened(backend)
            try:
                _begin(smtp, message)
                hand_over()
                _end(smtp)
                usable = True
            except NotSent as error:
                usable = not error.server and _reset(smtp)
                raise
        except (OSError, ValueError) as error:
            # smtplib's errors are OSErrors. A header that can't be written is a ValueError.
            raise NotSent(_text_of(error), server=True) from error
        finally:
            if not usable:
                self._drop()

    def _drop(self) -> None:
        """Close the socket without QUIT, which would be text in the middle of a message."""
        if isinstance(self._backend, EmailBackend) and self._backend.connection is not None:
            self._backend.connection.close()
            self._backend.connection = None


def _opened(backend: EmailBackend) -> smtplib.SMTP:
    backend.open()
    if backend.connection is None:
        raise ConnectionError("the e-mail backend has opened no connection")
    if backend.connection.sock is not None:
        # The end of a message follows its text at once, and not after the server's TCP has it.
        backend.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return backend.connection


def _begin(smtp: smtplib.SMTP, message: EmailMessage) -> None:
    """Send everything but the dot at the end."""
    content = LINE_END.sub(b"\r\n", message.message().as_bytes().rstrip())
    smtp.ehlo_or_helo_if_needed()
    options = ["BODY=8BITMIME"] if smtp.has_extn("8bitmime") else []
    # A server that refuses the sender takes no mail at all from this portal.
    _expect(smtp.mail(_address(message.from_email), options), server=True)
    _expect(smtp.rcpt(_address(message.to[0])))
    _expect(smtp.docmd("DATA"))
    smtp.send(LINE_DOT.sub(b"..", content) + b"\r\n")
    _set_timeout(smtp, ANSWER_SECONDS)


def _end(smtp: smtplib.SMTP) -> None:
    try:
        smtp.send(b".\r\n")
        answer = smtp.getreply()
    except OSError as error:
        raise Unconfirmed(_text_of(error)) from error
    _set_timeout(smtp, smtp.timeout)
    _expect(answer)


def _set_timeout(smtp: smtplib.SMTP, seconds: float) -> None:
    if smtp.sock is not None:
        smtp.sock.settimeout(seconds)


def _expect(answer: tuple[int, bytes], *, server: bool = False) -> None:
    """Raise `NotSent` unless the server agrees: 2xx, or 354 for the text."""
    code, text = answer
    if code // 100 in (2, 3):
        return
    why = f"{code} {text.decode(errors='replace')}"
    closing = code in (-1, 421)
    server = server or closing
    raise NotSent(why, for_good=code // 100 == 5 and not server, server=server)


def _reset(smtp: smtplib.SMTP) -> bool:
    """Make the connection ready for another message."""
    try:
        return smtp.rset()[0] == 250
    except OSError:
        return False


def _address(text: str) -> str:
    """Return an address alone, with its domain in ASCII."""
    local, _at, domain = parseaddr(text)[1].rpartition("@")
    return f"{local}@{domain.encode('idna').decode()}" if local else domain


def _text_of(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
