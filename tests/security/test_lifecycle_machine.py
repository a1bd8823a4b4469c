"""Random sequences of acts on tokens agree with a model.

After every step `restricted`, `refresh`, `verify` and `introspect` answer through the API as the
model says.
"""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import call_command, get_commands
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from rest_framework.test import APIClient

from tests.support.clock import travel
from tests.support.database.trial import trial
from tests.support.effort import times
from tests.support.lifecycle_model import Account, Family, Issued, Portal
from tests.support.tokens import jti
from tests.support.users import PASSWORD, make_staff
from tokens.jwt.claims import parse
from tokens.jwt.signing import read
from tokens.models import Session
from tokens.revocation import Selection, cut_off, revoke_matching, revoke_token, revoke_user
from tokens.sessions.issue import open_session

# Half a second past a whole one: no step falls on the edge of a token's last second.
START = datetime(2030, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
AGES = (1, 8, 11, 299, 301, 3600, 86_400, 6 * 86_400, 8 * 86_400)
# Mostly a little: a session that has died of age shows nothing more.
STEPS = (*(1, 8, 11) * 3, *AGES)
SWEEPS = [name for name in ("flushexpiredtokens", "purge_tokens") if name in get_commands()]
WHICH = st.integers(0, 10_000)


class Lifecycle(RuleBasedStateMachine):
    clock: time_machine.Traveller

    def __init__(self):
        super().__init__()
        self.api = APIClient()
        self.portal = Portal()
        self.accounts: list[Account] = []
        self.clock.move_to(START)
        self.trial = ExitStack()
        self.trial.enter_context(trial())
        # A resource server, which asks with a token of its own.
        self.service = make_staff("service", "introspect_token")

    def teardown(self):
        """Each run of the machine leaves the database as it found it."""
        self.trial.close()

    @property
    def now(self):
        return datetime.now(UTC).timestamp()

    def post(self, path, **body):
        return self.api.post(f"/api/{path}", body, format="json")

    def pick(self, which) -> Family:
        return self.portal.families[which % len(self.portal.families)]

    def token(self, which) -> tuple[Family, Issued]:
        family = self.pick(which)
        recent = family.chain[-4:]
        return family, recent[which // 7 % len(recent)]

    def issued(self, family, answer):
        exp, access_exp = family.exps(self.now)
        pair = answer.json()
        assert read(pair["refresh"])["exp"] == exp
        assert read(pair["access"])["exp"] == access_exp
        return Issued(pair["refresh"], pair["access"], exp, access_exp)

    # --- What users and clients do.

    @initialize()
    def two_people_log_in(self):
        for which in range(2):
            self.someone_registers()
            self.log_in(which)

    @rule()
    def someone_registers(self):
        user = User.objects.create_user(f"user{len(self.accounts)}", password=PASSWORD)
        self.accounts.append(Account(user.pk))

    @rule(which=WHICH)
    def log_in(self, which):
        account = self.accounts[which % len(self.accounts)]
        user = User.objects.filter(pk=account.number).first()
        name = user.username if user else "nobody"
        answer = self.post("login", username=name, password=PASSWORD)
        if account.gone or not account.active:
            assert answer.status_code == 401
            return
        assert answer.status_code == 200
        family = Family(account, self.now)
        family.chain.append(self.issued(family, answer))
        self.portal.families.append(family)

    @rule(which=WHICH)
    def use_a_session(self, which):
        """Present the newest token that the client holds, as clients mostly do."""
        family = self.pick(which)
        self.present(family, family.chain[-1])

    @rule(which=WHICH)
    def refresh(self, which):
        self.present(*self.token(which))

    def present(self, family, token):
        place = self.portal.presented(family, token, self.now)
        answer = self.post("refresh", refresh=token.refresh)
        assert answer.status_code == (200 if place else 401), place
        if place == "current":
            family.chain.append(self.issued(family, answer))
            family.rotated = self.now
        elif place == "retry":
            last = family.chain[-1]
            assert answer.json()["refresh"] == last.refresh
            last.access = answer.json()["access"]
            last.access_exp = family.exps(self.now)[1]

    @rule(which=WHICH)
    def log_out(self, which):
        family, token = self.token(which)
        assert self.post("logout", refresh=token.refresh).json() == {}
        if token.exp > self.now:
            family.ended = True

    # --- What staff do.

    @rule(which=WHICH, what=st.sampled_from(("token", "session", "user")))
    def staff_revoke(self, which, what):
        {
            "token": self.revoke_a_token,
            "session": self.revoke_a_session,
            "user": self.revoke_all_of_a_user,
        }[what](which)

    def revoke_a_token(self, which):
        family, token = self.token(which)
        if token.exp <= self.now:
            return  # it may have been purged by now
        revoke_token(jti=jti(token.refresh), actor=None, reason="test")
        family.ended = True

    def revoke_a_session(self, which):
        family = self.pick(which)
        keys = tuple(Session.objects.filter(pk=self.sid(family)).values_list("pk", flat=True))
        revoke_matching(selection=Selection(sessions=keys), actor=None, reason="test")
        family.ended = True

    def sid(self, family):
        return parse(family.chain[0].refresh).payload["sid"]

    def revoke_all_of_a_user(self, which):
        account = self.accounts[which % len(self.accounts)]
        if not account.gone:
            user = User.objects.get(pk=account.number)
            revoke_user(user=user, actor=None, reason="test")
            self.portal.end_of(account)

    @rule(which=WHICH, age=st.sampled_from(AGES), everybody=st.booleans())
    def cut_off(self, which, age, everybody):
        if everybody:
            self.cut_everybody_off(age)
        else:
            self.cut_a_user_off(which, age)

    def cut_a_user_off(self, which, age):
        account = self.accounts[which % len(self.accounts)]
        if not account.gone:
            at = datetime.now(UTC) - timedelta(seconds=age)
            user = User.objects.get(pk=account.number)
            cut_off(user=user, not_before=at, actor=None, reason="test")
            account.cutoff = max(account.cutoff, at.timestamp())

    def cut_everybody_off(self, age):
        at = datetime.now(UTC) - timedelta(seconds=age)
        cut_off(not_before=at, actor=None, reason="test")
        self.portal.cutoff = max(self.portal.cutoff, at.timestamp())

    # --- What happens to accounts.

    @rule(which=WHICH, what=st.sampled_from(("on", "on", "off", "password", "delete")))
    def an_account_changes(self, which, what):
        if what == "password":
            self.change_password(which)
        elif what == "delete":
            self.delete_account(which)
        else:
            self.deactivate_or_reactivate(which, what == "on")

    def deactivate_or_reactivate(self, which, active):
        account = self.accounts[which % len(self.accounts)]
        if account.gone:
            return
        user = User.objects.get(pk=account.number)
        user.is_active = active
        user.save()
        if account.active and not active:
            self.portal.end_of(account)
        account.active = active

    def change_password(self, which):
        account = self.accounts[which % len(self.accounts)]
        if not account.gone:
            user = User.objects.get(pk=account.number)
            user.set_password(PASSWORD)  # another salt: another hash
            user.save()
            self.portal.end_of(account)

    def delete_account(self, which):
        account = self.accounts[which % len(self.accounts)]
        User.objects.filter(pk=account.number).delete()
        account.gone = True

    # --- Time, and what sweeps after it.

    @rule(seconds=st.sampled_from(STEPS))
    def time_passes(self, seconds):
        self.clock.shift(timedelta(seconds=seconds))

    @rule(command=st.sampled_from(SWEEPS))
    def sweep(self, command):
        call_command(command, verbosity=0)

    # --- What must hold after every step.

    @invariant()
    def every_call_agrees_with_the_model(self):
        shown = [(f, token) for f in self.portal.families[-2:] for token in f.chain[-2:]]
        service = {"HTTP_AUTHORIZATION": f"Bearer {open_session(user=self.service).access}"}
        for family, token in shown:
            works = self.portal.access_works(family, token, self.now)
            bearer = {"HTTP_AUTHORIZATION": f"Bearer {token.access}"}
            answer = self.api.get("/api/restricted", **bearer)
            assert answer.status_code == (200 if works else 401)
            self.ask(token.access, works, service)
            works = self.portal.refresh_works(family, token, self.now)
            self.ask(token.refresh, works, service)
            with trial():
                answer = self.post("refresh", refresh=token.refresh)
                assert answer.status_code == (200 if works else 401)

    def ask(self, token, works, service):
        assert self.post("verify", token=token).status_code == (200 if works else 401)
        answer = self.api.post("/api/introspect", {"token": token}, format="json", **service)
        if works:
            assert answer.json().items() >= {"active": True, **parse(token).payload}.items()
        else:
            assert answer.content == b'{"active":false}'


@pytest.mark.slow
@pytest.mark.timeout(times(300))
def test_api_agrees_with_the_lifecycle_model_after_any_steps(db):
    with travel(START, tick=False) as clock:
        Lifecycle.clock = clock
        run_state_machine_as_test(
            Lifecycle,
            settings=settings(
                max_examples=times(8),
                stateful_step_count=40,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
                database=None,
            ),
        )
