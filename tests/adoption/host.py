"""Generate a Django project, add the app as docs/adding.md says, drive it, and leave again."""

import json
import os
import re
import socket
import subprocess
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.adoption.environments import Environment, remove_app
from tests.docs.markdown import fences, text_of

GUIDE = text_of(Path("docs/adding.md"))
START = "Five minutes to the first revoked token"
# What differs from one response to the next: CSRF tokens.
VARYING = re.compile(r"(?<=csrfmiddlewaretoken\" value=\")\w+")
PASSWORD = "violet-harbour-19"
SETTINGS = """
import os

DEBUG = False
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "a-key-of-a-host-project-opening-nothing-anywhere-0123456789"
DATABASES = {{"default": {database}}}
AUTH_PASSWORD_VALIDATORS = []
REST_FRAMEWORK = {{}}
SIMPLE_JWT = {{}}
TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]
INSTALLED_APPS += ["rest_framework", "shop"]
MEDIA_ROOT = BASE_DIR / "media"
# Cheap to compute.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"""
MODELS = """
from django.contrib import admin
from django.db import models


class Parcel(models.Model):
    name = models.CharField(primary_key=True, max_length=40)
    label = models.FileField()


admin.site.register(Parcel)
"""
VIEWS = """
from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from rest_framework.response import Response
from rest_framework.permissions import IsAuthenticated
from rest_framework.views import APIView


class UploadForm(forms.Form):
    name = forms.CharField()
    file = forms.FileField(required=False)


def page(request):
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        size = form.cleaned_data["file"].size if form.cleaned_data["file"] else 0
        return HttpResponse(f"{form.cleaned_data['name']}: {size} bytes over {request.scheme}")
    return render(request, "page.html", {"form": form})


class Me(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"me": request.user.get_username()})
"""
URLS = """
from django.contrib import admin
from django.urls import include, path

from shop import views

urlpatterns = [
    path("", views.page, name="home"),
    path("api/me", views.Me.as_view(), name="me"),
    path("api/form", views.page, name="login"),
    path("admin/", admin.site.urls),
]
"""
BASE = "<html><title>The host</title><body>{% block content %}{% endblock %}</body></html>"
TEMPLATES = {
    "base.html": BASE,
    "page.html": "{% extends 'base.html' %}{% block content %}<form method=post>"
    "{% csrf_token %}{{ form }}</form>{% endblock %}",
    "404.html": "{% extends 'base.html' %}{% block content %}"
    "The host has no such page.{% endblock %}",
}
# Addresses of the project whose responses must stay what they were.
STYLE = "/static/admin/css/base.css"
PAGES = [
    *("/", "/api/form", "/nothing/here", "/api/nothing", "/api/me"),
    *("/admin/login/", STYLE, "/static/shop.css", "/static/tokens/nothing.css"),
]
ADMIN_PAGES = ["/admin/shop/", "/admin/shop/parcel/", "/admin/shop/parcel/add/"]


def recipe(heading: str) -> list[str]:
    """Return the Python blocks below a heading of the guide, down to the next heading."""
    _, _, rest = re.split(rf"^(##+) {heading}$", GUIDE, maxsplit=1, flags=re.MULTILINE)
    blocks = fences(re.split(r"^##+ ", rest, maxsplit=1, flags=re.MULTILINE)[0], "python")
    assert blocks, heading
    return blocks


class Host(ABC):
    """One generated project."""

    settings = ""
    views = ""
    urls = ""
    models = ""
    # Whether it needs the libraries that are no requirement of the app.
    libraries = False
    # Where the project refreshes, and addresses of its own beside those of every project.
    refresh_path = ""
    pages: list[str] = []

    def __init__(self, folder: Path, environment: Environment, database: str) -> None:
        self.folder = folder / "project"
        self.environment = environment
        self.python = environment.extend(folder / "venv")
        self.database = database
        self.url = ""
        self.env = {"PATH": os.environ["PATH"], "PYTHONPATH": "", "PYTHONWARNINGS": "default"}
        self.clerk = requests.Session()

    # --- Generating.

    def create(self) -> None:
        """Write the project, create its tables and its accounts."""
        self.folder.mkdir()
        self.run("-m", "django", "startproject", "host", ".")
        settings, urls = self.folder / "host/settings.py", self.folder / "host/urls.py"
        given = settings.read_text() + SETTINGS.format(database=self._database())
        files = {
            "host/settings.py": given + self.settings,
            "host/urls.py": URLS + self.urls,
            "shop/__init__.py": "",
            "shop/migrations/__init__.py": "",
            "shop/models.py": MODELS + self.models,
            "shop/views.py": VIEWS + self.views,
            "shop/static/shop.css": "body { color: teal }",
            **{f"templates/{name}": body for name, body in TEMPLATES.items()},
        }
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._before = {path: path.read_text() for path in (settings, urls)}
        # The key of Ada's account as text.
        self.key = self.shell(f"""
            from importlib import invalidate_caches
            from django.contrib.auth import get_user_model
            from django.contrib.auth.models import Permission
            from django.core.management import call_command
            call_command("makemigrations", "shop", verbosity=0)
            invalidate_caches()
            call_command("migrate", verbosity=0)
            model = get_user_model()
            for name in ("ada", "boss", "clerk"):
                names = {{model.USERNAME_FIELD: name + "@example.com"}}
                user = model(**names, is_staff=name != "ada", is_superuser=name == "boss")
                user.set_password({PASSWORD!r})
                user.save()
            user.user_permissions.set(Permission.objects.filter(content_type__app_label="shop"))
            print(model._default_manager.get(**{{model.USERNAME_FIELD: "ada@example.com"}}).pk)
        """).split()[-1]

    def _database(self) -> str:
        if not self.database:
            name = str(self.folder / "db.sqlite3")
            return repr({"ENGINE": "django.db.backends.sqlite3", "NAME": name})
        from environ import Env

        server = Env.db_url_config(self.database)
        self.name = f"adoption_{uuid.uuid4().hex[:12]}"
        subprocess.run(["psql", self.database, "-qc", f"CREATE DATABASE {self.name}"], check=True)
        kept = {key: server[key] for key in ("USER", "PASSWORD", "HOST", "PORT")}
        return repr({"ENGINE": "django.db.backends.postgresql", "NAME": self.name, **kept})

    def drop(self) -> None:
        """Drop the project's database."""
        if self.database:
            drop = f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)"
            subprocess.run(["psql", self.database, "-qc", drop], check=True)

    # --- Adopting, by the code blocks of the guide.

    def adopt(self) -> None:
        """Apply docs/adding.md."""
        install, *commands = self._commands(START)
        assert install == "pip install token-portal"
        self.environment.install_app(self.python)
        for block in fences(self._section(START), "python"):
            title, _, body = block.partition("\n")
            if title in ("# settings.py", "# urls.py"):
                path = self.folder / "host" / title.removeprefix("# ")
                path.write_text(path.read_text() + self._without_repeated_apps(path, body))
        # What the commands print, warnings included.
        self.told = self.manage_all(commands)

    @staticmethod
    def _without_repeated_apps(path: Path, body: str) -> str:
        """Leave out an app that is installed already, as the guide says."""
        app = '"rest_framework_simplejwt.token_blacklist", '
        return body.replace(app, "") if app.strip(", ") in path.read_text() else body

    @staticmethod
    def _section(heading: str) -> str:
        return GUIDE.split(f"\n## {heading}\n")[1].split("\n## ")[0]

    def _commands(self, heading: str) -> list[str]:
        blocks = fences(self._section(heading), "sh")
        return [line for block in blocks for line in block.splitlines()]

    def leave(self) -> None:
        """Remove the app again, as the guide says."""
        *commands, uninstall = self._commands("Leaving")
        assert uninstall == "pip uninstall token-portal"
        self.manage_all(commands)
        for path, text in self._before.items():
            path.write_text(text)
        remove_app(self.python)

    # --- Running.

    def run(self, *arguments: str, text: str = "") -> str:
        """Run Python in the project; fail with its output."""
        ran = subprocess.run(
            [str(self.python), *arguments],
            cwd=self.folder,
            env=self.env,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{arguments}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout + ran.stderr

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py, and return what it printed."""
        return self.run("manage.py", *arguments)

    def manage_all(self, lines: list[str]) -> str:
        """Run lines that begin with ``python manage.py``, in one process to save time."""
        calls = []
        for line in lines:
            assert line.startswith("python manage.py "), line
            calls.append(f"management.execute_from_command_line({line.split()[1:]!r})")
        return self.shell("from django.core import management\n" + "\n".join(calls))

    def shell(self, code: str) -> str:
        """Run Python code with the project set up, and return what it printed."""
        lines = code.strip("\n").splitlines()
        indent = len(lines[0]) - len(lines[0].lstrip())
        body = "\n".join(line[indent:] for line in lines)
        start = "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'host.settings'\n"
        return self.run("-", text=f"{start}django.setup()\n{body}")

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve the project with Django's own server."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        log = (self.folder / "server.log").open("a")
        command = [
            str(self.python),
            "manage.py",
            "runserver",
            "--noreload",
            "--insecure",
            f"127.0.0.1:{port}",
        ]
        server = subprocess.Popen(command, cwd=self.folder, env=self.env, stdout=log, stderr=log)
        try:
            self._wait(server)
            yield
        finally:
            server.terminate()
            server.wait(10)
            log.close()

    def _wait(self, server: "subprocess.Popen[bytes]") -> None:
        for _ in range(200):
            assert server.poll() is None, (self.folder / "server.log").read_text()
            try:
                requests.get(self.url + STYLE, timeout=5)
            except requests.ConnectionError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("the project does not answer")

    # --- Talking to it.

    def post(self, path: str, body: dict[str, Any], **headers: str) -> requests.Response:
        """Send JSON."""
        return requests.post(self.url + path, json=body, headers=headers, timeout=20)

    @abstractmethod
    def login(self) -> dict[str, str]:
        """Log Ada in at the host's own address; return the pair."""

    def pair(self, path: str, body: dict[str, str]) -> dict[str, str]:
        """Send credentials, and return the pair."""
        answer = self.post(path, body)
        assert answer.status_code == 200, answer.text + (self.folder / "server.log").read_text()
        return dict(answer.json())

    def renew(self, token: str) -> requests.Response:
        """Present a refresh token at the project's own address."""
        return self.post(self.refresh_path, {"refresh": token})

    def refresh(self, token: str) -> dict[str, str]:
        """Refresh at the project's own address; return the answer."""
        answer = self.renew(token)
        assert answer.status_code == 200, answer.text + (self.folder / "server.log").read_text()
        return dict(answer.json())

    def me(self, access: str) -> int:
        """Call the host's own view with an access token, and return the status."""
        bearer = {"Authorization": f"Bearer {access}"}
        return requests.get(f"{self.url}/api/me", headers=bearer, timeout=20).status_code

    def snapshot(self) -> dict[str, tuple[object, ...]]:
        """Return what the project's own pages answer, without what varies.

        The clerk logs in to the admin once, and stays logged in from one snapshot to the next.
        """
        found = {
            path: self._shown(requests.get(self.url + path, timeout=20))
            for path in [*PAGES, *self.pages]
        }
        browser = requests.Session()
        for path in ("/", "/api/form"):
            label = {"file": ("label.bin", b"x" * 500_000)}
            browser.get(self.url + path, timeout=20)
            sent = self._send(browser, path, {"name": "a parcel"}, label)
            forged = browser.post(self.url + path, {"name": "forged"}, timeout=20)
            found |= {f"{path} upload": self._shown(sent), f"{path} forged": self._shown(forged)}

        login = "/admin/login/"
        if "sessionid" not in self.clerk.cookies:
            self.clerk.get(self.url + login, timeout=20)
            account = {"username": "clerk@example.com", "password": PASSWORD, "next": "/admin/"}
            assert self._send(self.clerk, login, account).url == f"{self.url}/admin/"
        for path in ADMIN_PAGES:
            found[f"admin {path}"] = self._shown(self.clerk.get(self.url + path, timeout=20))
        added = self._send(
            self.clerk,
            ADMIN_PAGES[-1],
            {"name": "north"},
            {"label": ("north.txt", b"to the north")},
        )
        row = "/admin/shop/parcel/north/"
        changed = self.clerk.get(f"{self.url}{row}change/", timeout=20)
        deleted = self._send(self.clerk, f"{row}delete/", {"post": "yes"})
        found |= {"added": self._shown(added), "changed": self._shown(changed)}
        found |= {"deleted": self._shown(deleted)}
        (self.folder / "media/north.txt").unlink()
        return found

    def _send(
        self, browser: requests.Session, path: str, body: dict[str, str], files: Any = None
    ) -> requests.Response:
        """Send a form with the CSRF token of the browser."""
        sent = {**body, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        return browser.post(self.url + path, sent, files=files, timeout=20)

    @staticmethod
    def _shown(answer: requests.Response) -> tuple[object, ...]:
        kept = {"Content-Type", "X-Frame-Options", "Content-Security-Policy", "WWW-Authenticate"}
        headers = {name: answer.headers[name] for name in kept & answer.headers.keys()}
        text = VARYING.sub("", answer.text)
        return (answer.status_code, text, json.dumps(headers, sort_keys=True))

    def staff(self) -> requests.Session:
        """Return a browser that is logged in to the staff pages."""
        browser, path = requests.Session(), "/tokens/staff/login/"
        page = browser.get(self.url + path, timeout=20)
        assert page.status_code == 200, page.text
        account = {"username": "boss@example.com", "password": PASSWORD}
        entered = self._send(browser, path, account)
        assert entered.status_code == 200, entered.text
        assert entered.url == f"{self.url}/tokens/staff/"
        return browser

    def revoke(self, browser: requests.Session, query: str) -> None:
        """Revoke on the staff page."""
        path = f"/tokens/staff/revoke/?{query}"
        page = browser.get(self.url + path, timeout=20)
        assert page.status_code == 200, page.text + (self.folder / "server.log").read_text()
        answer = self._send(browser, path, {"reason": "suspected theft"})
        assert answer.status_code == 200, answer.text

    def inspected(self, browser: requests.Session, token: str) -> str:
        """Inspect a token on the staff page, and return its first word: Accepted or Refused."""
        page = self._send(browser, "/tokens/staff/inspect/", {"token": token})
        found = re.search(r'class="validation [^>]*>\s*<strong>(\w+)', page.text)
        assert found, page.text
        return found[1]

    def listed(self, browser: requests.Session, what: str) -> str:
        """Return the page that lists the sessions or tokens of Ada."""
        page = browser.get(f"{self.url}/tokens/staff/{what}/?user={self.key}", timeout=20)
        assert page.status_code == 200, page.text
        return page.text
