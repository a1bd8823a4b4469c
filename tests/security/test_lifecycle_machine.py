"""Any order of what can happen to tokens, against a model: after every step `restricted`, `verify`,
the verdict (which introspection repeats) and, where one is
presented, `refresh` answer as the model says."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import call_command, get_commands
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from rest_framework.test import APIClient

from tests.support.lifecycle import jti
from tests.support.model import Account, Family, Issued, Portal
from tests.support.people import PASSWORD
from tokens.claims import parse
from tokens.models import Session
from tokens.revocation import Selection, cut_off, revoke_matching, revoke_token, revoke_user
from tokens.signing import read
from tokens.verdict import explain

# Half a second past a whole one: no step falls on the edge of a token's last second.
START = datetime(2030, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
STEPS = (1, 8, 11, 299, 301, 3600, 86_400, 6 * 86_400, 8 * 86_400)
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
        self.block = transaction.atomic()
        self.block.__enter__()

    def teardown(self):
        """Each run of the machine leaves the database as it found it."""
        transaction.set_rollback(True)
        self.block.__exit__(None, None, None)

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

    @rule()
    def someone_registers(self):
        user = User.objects.create_user(f"user{len(self.accounts)}", password=PASSWORD)
        self.accounts.append(Account(user.pk))

    @precondition(lambda self: self.accounts)
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

    @precondition(lambda self: self.portal.families)
    @rule(which=WHICH)
    def refresh(self, which):
        family, token = self.token(which)
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

    @precondition(lambda self: self.portal.families)
    @rule(which=WHICH)
    def log_out(self, which):
        family, token = self.token(which)
        assert self.post("logout", refresh=token.refresh).json() == {}
        if token.exp > self.now:
            family.ended = True

    # --- What staff do.

    @precondition(lambda self: self.portal.families)
    @rule(which=WHICH)
    def revoke_a_token(self, which):
        family, token = self.token(which)
        if token.exp <= self.now:
            return  # it may have been purged by now
        revoke_token(jti=jti(token.refresh), actor=None, reason="test")
        family.ended = True

    @precondition(lambda self: self.portal.families)
    @rule(which=WHICH)
    def revoke_a_session(self, which):
        family = self.pick(which)
        keys = tuple(Session.objects.filter(pk=self.sid(family)).values_list("pk", flat=True))
        revoke_matching(selection=Selection(sessions=keys), actor=None, reason="test")
        family.ended = True

    def sid(self, family):
        return parse(family.chain[0].refresh).payload["sid"]

    @precondition(lambda self: self.accounts)
    @rule(which=WHICH)
    def revoke_all_of_a_user(self, which):
        account = self.accounts[which % len(self.accounts)]
        if not account.gone:
            user = User.objects.get(pk=account.number)
            revoke_user(user=user, actor=None, reason="test")
            self.portal.end_of(account)

    @precondition(lambda self: self.accounts)
    @rule(which=WHICH, age=st.sampled_from(STEPS))
    def cut_a_user_off(self, which, age):
        account = self.accounts[which % len(self.accounts)]
        if not account.gone:
            at = datetime.now(UTC) - timedelta(seconds=age)
            user = User.objects.get(pk=account.number)
            cut_off(user=user, not_before=at, actor=None, reason="test")
            account.cutoff = max(account.cutoff, at.timestamp())

    @precondition(lambda self: len(self.portal.families) > 2)
    @rule(age=st.sampled_from(STEPS))
    def cut_everybody_off(self, age):
        at = datetime.now(UTC) - timedelta(seconds=age)
        cut_off(not_before=at, actor=None, reason="test")
        self.portal.cutoff = max(self.portal.cutoff, at.timestamp())

    # --- What happens to accounts.

    @precondition(lambda self: self.accounts)
    @rule(which=WHICH, active=st.booleans())
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

    @precondition(lambda self: self.accounts)
    @rule(which=WHICH)
    def change_password(self, which):
        account = self.accounts[which % len(self.accounts)]
        if not account.gone:
            user = User.objects.get(pk=account.number)
            user.set_password(PASSWORD)  # another salt: another hash
            user.save()
            self.portal.end_of(account)

    @precondition(lambda self: len(self.accounts) > 2)
    @rule(which=WHICH)
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
    def every_face_agrees_with_the_model(self):
        for family in self.portal.families[-4:]:
            for token in family.chain[-3:]:
                works = self.portal.access_works(family, token, self.now)
                bearer = {"HTTP_AUTHORIZATION": f"Bearer {token.access}"}
                answer = self.api.get("/api/restricted", **bearer)
                assert answer.status_code == (200 if works else 401)
                self.ask(token.access, works)
                self.ask(token.refresh, self.portal.refresh_works(family, token, self.now))

    def ask(self, token, works):
        assert self.post("verify", token=token).status_code == (200 if works else 401)
        assert explain(token=token).active is works


@pytest.mark.slow
def test_nothing_that_can_happen_makes_them_disagree(db):
    with time_machine.travel(START, tick=False) as clock:
        Lifecycle.clock = clock
        run_state_machine_as_test(
            Lifecycle,
            settings=settings(
                max_examples=20,
                stateful_step_count=30,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
                database=None,
            ),
        )
