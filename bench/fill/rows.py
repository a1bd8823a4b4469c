"""Define the rows of the filled tables, as SELECTs for PostgreSQL.

Every row is a function of its number: no SELECT looks up or sorts rows, and tokens come in the
order of their creation.

Logins come in cohorts. The sessions of a cohort open one after the other. Each of them then
rotates, in the same order, until it has had `ROUNDS` tokens, and the next cohort opens. Token ``n``
is therefore the successor of token ``n - cohort``.

- Every fifth session belongs to one of the users who have 5,000 each (`Plan.heavy`), and is never
  revoked. Every other session belongs to a user who has only that one.
- The last tokens of older cohorts have expired, and one session in twenty was revoked.
- One session in fifty came from the same address, like that of an office's router.
- One session in 10,007 has a device that no other session has.
- Scripts and apps name their client; browsers do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

COHORTS = 20
ROUNDS = 10
HEAVY_SESSIONS = 5_000
REFRESH_DAYS = 7
SESSION_DAYS = 30

AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Safari/605.1.15",
    "okhttp/4.12.0",
    "python-requests/2.32.3",
)
CLIENTS = ("", "", "", "", "mobile app", "nightly job")
RARE_AGENT, RARE_CLIENT = "curl/8.11.1", "cli"
OFFICE = "192.0.2.10"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Describe what to fill.

    ``tokens`` is rounded down to whole cohorts. ``token_base`` and ``user_base`` are the highest
    ids in use. ``header`` is the encoded header of every token. ``signature`` is stored after it:
    empty for the portal, 43 characters for the stock peer. ``time_ordered`` ids grow with time, as
    the portal's do; simplejwt's are random.
    """

    tokens: int
    end: datetime
    days: float
    header: str
    password: str
    password_mark: str
    signature: str
    time_ordered: bool
    token_base: int = 0
    user_base: int = 0
    cohorts: int = COHORTS
    rounds: int = ROUNDS
    heavy: int = HEAVY_SESSIONS

    @property
    def cohort(self) -> int:
        return max(1, self.tokens // (self.cohorts * self.rounds))

    @property
    def sessions(self) -> int:
        return self.cohort * self.cohorts

    @property
    def total(self) -> int:
        return self.sessions * self.rounds

    @property
    def events(self) -> int:
        """Return the number of events: one for each token and one for each revoked session."""
        return self.total + (self.sessions + 12) // 20

    @property
    def heavy_users(self) -> int:
        return -(-self.sessions // (5 * self.heavy))


@dataclass(frozen=True)
class Rows:
    table: str
    columns: list[str]
    select: str


def shared(plan: Plan) -> Iterator[Rows]:
    """Return the rows of the tables that both peers have: users, and simplejwt's two."""
    yield Rows(
        "auth_user",
        [
            "id",
            "password",
            "is_superuser",
            "username",
            "first_name",
            "last_name",
            "email",
            "is_staff",
            "is_active",
            "date_joined",
        ],
        _users(plan),
    )
    yield Rows(
        "token_blacklist_outstandingtoken",
        ["id", "user_id", "jti", "token", "created_at", "expires_at"],
        f"""SELECT token_id, user_id, jti, '{plan.header}.' || translate(encode(convert_to(
            '{{"token_type":"refresh","exp":' || extract(epoch FROM expires)::bigint
            || ',"iat":' || extract(epoch FROM at)::bigint || ',"jti":"' || jti
            || '","user_id":"' || user_id || '","sid":"' || session_id || '"}}',
            'UTF8'), 'base64'), E'+/=\\n', '-_') || '.{plan.signature}', at, expires
        FROM ({_tokens(plan)}) t""",
    )
    yield Rows(
        "token_blacklist_blacklistedtoken",
        ["token_id", "blacklisted_at"],
        f"""SELECT token_id, next_at FROM ({_tokens(plan)}) t
        WHERE round < {plan.rounds - 1} OR revoked""",
    )


def ours(plan: Plan) -> Iterator[Rows]:
    """Return the rows of the portal's own tables."""
    last = (plan.rounds - 1) * plan.cohort
    previous = f"token_id + {last - plan.cohort}" if plan.rounds > 1 else "NULL::bigint"
    rotated = f"at + {_ticks(plan, last)}" if plan.rounds > 1 else "NULL::timestamptz"
    yield Rows(
        "tokens_session",
        [
            "id",
            "user_id",
            "username",
            "password_mark",
            "created_at",
            "last_used_at",
            "expires_at",
            "ends_at",
            "ip",
            "user_agent",
            "client",
            "rotations",
            "current_id",
            "previous_id",
            "rotated_at",
            "revoked_at",
            "revoked_by_name",
            "revoke_reason",
        ],
        f"""SELECT session_id, user_id, 'user' || user_id, '{plan.password_mark}', at,
            at + {_ticks(plan, last)}, at + interval '{SESSION_DAYS} days',
            least(at + {_ticks(plan, last)} + interval '{REFRESH_DAYS} days',
                  at + interval '{SESSION_DAYS} days'),
            ip, agent, client, {plan.rounds - 1}, token_id + {last}, {previous}, {rotated},
            CASE WHEN revoked THEN least(at + {_ticks(plan, last + plan.cohort)}, {_end(plan)})
            END, '',
            CASE WHEN revoked THEN 'lost device' ELSE '' END
        FROM ({_tokens(plan)}) t WHERE round = 0""",
    )
    yield Rows(
        "tokens_sessiontoken",
        ["token_id", "session_id"],
        f"SELECT token_id, session_id FROM ({_tokens(plan)}) t",
    )
    yield Rows(
        "tokens_revokedsession",
        ["session_id"],
        f"SELECT session_id FROM ({_tokens(plan)}) t WHERE round = 0 AND revoked",
    )
    yield Rows(
        "tokens_event",
        [
            "at",
            "kind",
            "actor_id",
            "actor_name",
            "subject_id",
            "subject_name",
            "session_id",
            "jti",
            "ip",
            "user_agent",
            "client",
            "request_id",
            "reason",
            "count",
            "data",
        ],
        _events(
            plan,
            also="""actor_id, actor_name, user_id, 'user' || user_id, session_id, jti, ip, agent,
            client, left(jti, 16), reason, 1, '{}'::jsonb""",
        ),
    )
    if plan.token_base == 0:
        # Rollups that cover the last event, as the timer of seal_events leaves them.
        yield Rows(
            "tokens_rollup",
            ["hour", "kind", "events", "total"],
            f"""SELECT date_trunc('hour', at, 'UTC'), kind, count(*), count(*)
            FROM ({_events(plan)}) e GROUP BY 1, 2""",
        )
        yield Rows(
            "tokens_trailreader",
            ["name", "last_id", "failures", "error", "holder"],
            f"SELECT 'rollup', {plan.events}, 0, '', ''",
        )


def _events(plan: Plan, *, also: str = "") -> str:
    columns = f"at, kind, {also}" if also else "at, kind"
    return f"""SELECT {columns} FROM (
            SELECT *, CASE round WHEN 0 THEN 'login' ELSE 'refresh' END AS kind,
                user_id AS actor_id, 'user' || user_id AS actor_name, '' AS reason
            FROM ({_tokens(plan)}) t) issued
        UNION ALL SELECT {columns.replace("at,", "next_at,", 1)} FROM (
            SELECT *, 'revoke_session' AS kind, NULL::bigint AS actor_id, '' AS actor_name,
                'lost device' AS reason
            FROM ({_tokens(plan)}) t WHERE revoked AND round = {plan.rounds - 1}) ended"""


def _users(plan: Plan) -> str:
    every = f"'{plan.password}', false, 'user' || id, 'User', id::text, 'user' || id"
    return f"""SELECT id, {every} || '@example.org', false, true,
            timestamptz '{(plan.end - timedelta(days=plan.days)).isoformat()}'
        FROM (SELECT {plan.user_base} + h AS id FROM generate_series(1, {plan.heavy_users}) h
              UNION ALL
              SELECT {plan.user_base + plan.heavy_users + 1} + s
              FROM generate_series(0, {plan.sessions - 1}) s WHERE s % 5 <> 0) u"""


def _ticks(plan: Plan, tokens: int) -> str:
    """Return the time in which ``tokens`` tokens are issued, as an SQL interval."""
    return f"interval '{plan.days * 86_400 * tokens / plan.total:.6f} seconds'"


def _end(plan: Plan) -> str:
    return f"timestamptz '{plan.end.isoformat()}'"


def _array(texts: tuple[str, ...]) -> str:
    return "ARRAY[" + ", ".join(f"'{text}'" for text in texts) + "]"


def _id(plan: Plan, text: str, at: str) -> str:
    """Return the hexadecimal form of the id of a row, as SQL."""
    digest = f"md5({text})"
    if not plan.time_ordered:
        return digest
    time = f"lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0')"
    return f"({time} || '7' || substr({digest}, 14, 3) || 'a' || substr({digest}, 18))"


def _tokens(plan: Plan) -> str:
    start = plan.end - timedelta(days=plan.days)
    tick = plan.days * 86_400 / plan.total
    return f"""SELECT *, least(at + {_ticks(plan, plan.cohort)}, {_end(plan)}) AS next_at,
            least(at + interval '{REFRESH_DAYS} days',
                  opened + interval '{SESSION_DAYS} days') AS expires,
            s % 20 = 7 AS revoked,
            {_id(plan, f"'session {plan.token_base} ' || s", "opened")}::uuid AS session_id,
            {_id(plan, f"'token {plan.token_base} ' || n", "at")} AS jti,
            (CASE WHEN s % 50 = 3 THEN '{OFFICE}' ELSE '10.' || s / 65536 % 256
                || '.' || s / 256 % 256 || '.' || s % 256 END)::inet AS ip,
            CASE WHEN s % 10007 = 5 THEN '{RARE_AGENT}'
                 ELSE ({_array(AGENTS)})[1 + s % {len(AGENTS)}] END AS agent,
            CASE WHEN s % 10007 = 5 THEN '{RARE_CLIENT}'
                 ELSE ({_array(CLIENTS)})[1 + s % {len(CLIENTS)}] END AS client,
            CASE WHEN s % 5 = 0 THEN {plan.user_base + 1} + s / {5 * plan.heavy}
                 ELSE {plan.user_base + plan.heavy_users + 1} + s END AS user_id
        FROM (SELECT n, n / {plan.cohort} % {plan.rounds} AS round,
                n / {plan.cohort * plan.rounds} * {plan.cohort} + n % {plan.cohort} AS s,
                {plan.token_base + 1} + n AS token_id,
                timestamptz '{start.isoformat()}' + n * interval '{tick:.9f} seconds' AS at,
                timestamptz '{start.isoformat()}' + (n / {plan.cohort * plan.rounds}
                  * {plan.cohort * plan.rounds} + n % {plan.cohort})
                  * interval '{tick:.9f} seconds' AS opened
              FROM generate_series(0, {plan.total - 1}) n) base"""
