"""Fill an empty PostgreSQL database with an audit trail.

Run ``python -m bench.audit_fill 10000000`` with DATABASE_URL set.

There are ten events to a session and a hundred to an account, in the proportions of a portal that
is used through an API: 85 of a hundred are refreshes. Five thousand sessions run at a time. One
account is a service's and has every fiftieth session; one address is a gateway's and has every
twentieth. Four events of the whole trail are new signing keys.
"""

import sys

import django

STAFF = 20
SERVICE, GATEWAY = 1, "203.0.113.7"
COLUMNS = [
    "at", "kind", "actor_id", "actor_name", "subject_id", "subject_name", "session_id", "jti",
    "ip", "user_agent", "client", "request_id", "reason", "count", "data",
]  # fmt: skip


def users(events: int) -> int:
    return max(100, events // 100)


def events_select(events: int) -> str:
    accounts = users(events)
    return f"""
    SELECT now() - interval '30 days' + (n::float8 / {events}) * interval '30 days', kind,
        actor, CASE WHEN actor > {accounts} THEN 'staff' || actor - {accounts}
                    WHEN actor IS NULL THEN '' ELSE 'user' || actor END,
        subject, CASE WHEN kind = 'key_added' THEN ''
                      WHEN subject IS NULL THEN 'nobody' || n ELSE 'user' || subject END,
        CASE WHEN kind IN ('login_refused', 'password_changed', 'key_added') THEN NULL
             ELSE md5(session::text)::uuid END,
        CASE WHEN kind IN ('login_refused', 'password_changed', 'key_added') THEN ''
             ELSE md5(n::text) END,
        (CASE WHEN session % 20 = 0 THEN '{GATEWAY}' ELSE '10.' || session / 10 % 250 || '.'
              || session / 2500 % 250 || '.' || session % 250 END)::inet,
        'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/'
            || 100 + session % 30 || '.0.0.0 Safari/537.36',
        CASE WHEN session % 3 = 0 THEN 'app' ELSE '' END, md5((-n)::text),
        CASE kind WHEN 'revoke_session' THEN 'lost device' WHEN 'login_refused'
            THEN 'wrong password' ELSE '' END, 1,
        CASE kind WHEN 'refresh' THEN jsonb_build_object('presented', md5((n - 1)::text))
            ELSE '{{}}' END
    FROM (SELECT n, session, kind,
            CASE WHEN kind IN ('login_refused', 'reuse', 'key_added') THEN NULL
                 WHEN kind IN ('revoke_session', 'claims_viewed', 'token_inspected')
                 THEN {accounts} + 1 + n % {STAFF} ELSE account END AS actor,
            CASE WHEN kind = 'key_added' OR kind = 'login_refused' AND n % 2 = 0 THEN NULL
                 ELSE account END AS subject
          FROM (SELECT n, session,
                  CASE WHEN session % 50 = 0 THEN {SERVICE} ELSE 1 + session % {accounts} END
                      AS account,
                  CASE WHEN n % {max(1, events // 4)} = 0 THEN 'key_added'
                       WHEN r < 850 THEN 'refresh' WHEN r < 920 THEN 'login'
                       WHEN r < 950 THEN 'logout' WHEN r < 980 THEN 'login_refused'
                       WHEN r < 990 THEN 'refresh_retry' WHEN r < 994 THEN 'revoke_session'
                       WHEN r < 997 THEN 'claims_viewed' WHEN r < 998 THEN 'token_inspected'
                       WHEN r < 999 THEN 'reuse' ELSE 'password_changed' END AS kind
                FROM (SELECT n, (hashint8(n) & 2147483647) % 1000 AS r,
                        n / 10 + (hashint8(-n) & 2147483647) % 5000 AS session
                      FROM generate_series(1::bigint, {events}) n) numbers) kinds) acts"""


def users_select(events: int) -> str:
    accounts = users(events)
    return f"""
    SELECT n, '!', false, name, '', '', name || '@example.org', n > {accounts}, true, now()
    FROM (SELECT n, CASE WHEN n > {accounts} THEN 'staff' || n - {accounts}
                         ELSE 'user' || n END AS name
          FROM generate_series(1, {accounts + STAFF}) n) named"""


def main(events: int) -> None:
    django.setup()
    from django.core.management import call_command

    from bench.fill.load import load
    from bench.fill.rows import Rows

    call_command("migrate", verbosity=0)
    person = [
        "id", "password", "is_superuser", "username", "first_name", "last_name", "email",
        "is_staff", "is_active", "date_joined",
    ]  # fmt: skip
    load(
        [
            Rows("auth_user", person, users_select(events)),
            Rows("tokens_event", COLUMNS, events_select(events)),
        ],
        say=lambda line: print(line, flush=True),
        bare=True,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
