"""Run a webhook receiver that drops connections, answers 500 and is slow."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Seconds between the looks of `serve_forever` for a request to stop.
POLL = 0.01
SECRET = "a secret that the receiver shares, long enough"


class Hook(ThreadingHTTPServer):
    """A receiver that takes one of ``moods`` for each request, and accepts the rest.

    It calls ``struck`` in the middle of a delivery whose mood contains "killed".
    """

    daemon_threads = True
    slowness = 0.6

    def __init__(self):
        self.bodies, self.moods = [], []
        self.struck = lambda: None
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        mood = self.server.moods.pop(0) if self.server.moods else "ok"
        if mood == "slow":
            time.sleep(self.server.slowness)
        if mood in {"ok", "slow", "taken but dropped", "taken, killed"}:
            self.server.bodies.append((dict(self.headers), body))
        if "killed" in mood:
            self.server.struck()
        if mood in {"drop", "taken but dropped"} or "killed" in mood:
            self.close_connection = True
            return
        self.send_response({"500": 500, "redirect": 307}.get(mood, 202))
        if mood == "redirect":
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def arrived(hook):
    return [event for _headers, body in hook.bodies for event in json.loads(body)["events"]]
