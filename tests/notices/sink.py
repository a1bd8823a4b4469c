"""Run an SMTP server that keeps what it takes, and is as unreliable as a test wants it."""

import email
import email.policy
import socketserver
import threading
from collections import Counter
from email.message import EmailMessage

# The steps at which a server can do something else than agree, in their order.
STEPS = ("connected", "EHLO", "MAIL", "RCPT", "DATA", "text", "end", "taken")


class Sink(socketserver.ThreadingTCPServer):
    """Keep mails in ``taken``.

    ``moods`` has (step, act) for the next mails: an answer such as "451 later", "close" to break
    the connection, or a function to call. "text" is the moment before the end of a message, "end"
    before the message is kept, and "taken" after it, before the answer.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        self.taken: list[EmailMessage] = []
        self.seen: Counter = Counter()
        self.moods = []
        super().__init__(("127.0.0.1", 0), _Conversation)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    @property
    def ids(self) -> list[str]:
        return [mail["Message-ID"] for mail in self.taken]

    def act_at(self, step: str):
        """Return what to do at a step: the act of the first mood if it is for this step."""
        self.seen[step] += 1
        if self.moods and self.moods[0][0] == step:
            return self.moods.pop(0)[1]
        return None


class _Closed(Exception):
    pass


class _Conversation(socketserver.StreamRequestHandler):
    server: Sink

    def handle(self):
        try:
            self.step("connected", "220 sink ESMTP")
            while line := self.rfile.readline().decode().strip():
                word = line.split()[0].upper()
                if word == "QUIT":
                    self.say("221 bye")
                    return
                if word == "EHLO":
                    self.step(word, "250-sink\r\n250 8BITMIME")
                elif word != "DATA":
                    self.step(word, "250 ok")
                elif self.step(word, "354 go on"):
                    self.take()
        except (_Closed, OSError):
            return

    def take(self):
        lines: list[bytes] = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise _Closed
            if not lines:
                self.do(self.server.act_at("text"))
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        answer = self.do(self.server.act_at("end"))
        if answer is None:
            text = b"".join(lines)
            self.server.taken.append(email.message_from_bytes(text, policy=email.policy.default))
            answer = self.do(self.server.act_at("taken"))
        self.say(answer or "250 taken")

    def step(self, name, answer):
        """Return whether the step went as planned."""
        other = self.do(self.server.act_at(name))
        self.say(other or answer)
        return other is None

    def do(self, act):
        """Return an answer to give, or None."""
        if act == "close":
            raise _Closed
        if callable(act):
            act()
            return None
        return act

    def say(self, answer):
        self.wfile.write(f"{answer}\r\n".encode())
        if answer.startswith("421"):
            raise _Closed
