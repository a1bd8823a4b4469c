"""Store browser sessions in the database under a digest of their key, as a session engine.

The key of a row of Django's own engine is the value of the cookie: a reader of the database, or of
a dump, can log in with it. Here it is a digest, which opens nothing.

Set ``SESSION_ENGINE = "tokens.web.session_store"``. `manage.py migrate` converts the rows of
Django's engine, so that their browsers stay logged in.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.backends import db
from django.db import connections, transaction

from tokens.db import clock

if TYPE_CHECKING:
    from django.contrib.sessions.base_session import AbstractBaseSession

# No key of Django holds this character, so the rows that are still to be converted are known.
PREFIX = "sha256$"
KEY_CHARS = 40
BATCH = 1000
Content: TypeAlias = dict[str, Any]


def stored_key(key: str) -> str:
    """Return the key of the row for a key of a cookie.

    The cookie's key has 165 random bits, so the digest needs no salt. Its first 198 bits fit into
    the column of Django's table.
    """
    digest = urlsafe_b64encode(sha256(key.encode()).digest()).decode()
    return (PREFIX + digest)[:KEY_CHARS]


class SessionStore(db.SessionStore):
    """Keep browser sessions like Django's database engine, but for the key of the row."""

    def load(self) -> Content:
        row = self._rows().first() if self.session_key else None
        return self._content(row)

    async def aload(self) -> Content:
        row = await (await sync_to_async(self._rows)()).afirst() if self.session_key else None
        return self._content(row)

    def _rows(self) -> Any:
        key = stored_key(self.session_key or "")
        return self.model.objects.filter(session_key=key, expire_date__gt=clock.now())

    def _content(self, row: "AbstractBaseSession | None") -> Content:
        if row is None:
            self._session_key = None
            return {}
        return self.decode(row.session_data)

    def get_expiry_date(self, **kwargs: object) -> datetime:
        """Return when the session expires, by the database's clock."""
        return super().get_expiry_date(**{"modification": clock.now(), **kwargs})

    async def aget_expiry_date(self, **kwargs: object) -> datetime:
        now = await sync_to_async(clock.now)()
        return await super().aget_expiry_date(**{"modification": now, **kwargs})

    def exists(self, session_key: str) -> bool:
        return super().exists(stored_key(session_key))

    async def aexists(self, session_key: str) -> bool:
        return await super().aexists(stored_key(session_key))

    def create_model_instance(self, data: Mapping[str, object]) -> "AbstractBaseSession":
        row = super().create_model_instance(dict(data))
        row.session_key = stored_key(row.session_key)
        return row

    async def acreate_model_instance(self, data: Mapping[str, object]) -> "AbstractBaseSession":
        row = await super().acreate_model_instance(dict(data))
        row.session_key = stored_key(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            super().delete(stored_key(key))

    async def adelete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            await super().adelete(stored_key(key))


def convert_rows(*, using: str, **_: object) -> None:
    """Replace the keys that Django's engine stored, if the project now uses this one."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not issubclass(store, SessionStore):
        return
    model = store.get_model_class()
    quote = connections[using].ops.quote_name
    table, key = quote(model._meta.db_table), quote("session_key")
    statement = f"UPDATE {table} SET {key} = %s WHERE {key} = %s"  # noqa: S608  (names of a model)
    rows = model.objects.using(using).exclude(session_key__startswith=PREFIX)
    keys = list(rows.values_list("session_key", flat=True))
    for start in range(0, len(keys), BATCH):
        pairs = [(stored_key(old), old) for old in keys[start : start + BATCH]]
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            cursor.executemany(statement, pairs)
