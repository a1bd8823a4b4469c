"""One line for each request, which ties it to its events and gives no secret away."""

from tests.support.tokens import pair_of


def test_access_log_line_has_client_request_status_and_id(client, db, capsys, settings):
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    answer = client.get("/healthz?token=secret", headers={"x-request-id": "trace-0123456789"})
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith('127.0.0.1 "GET /healthz" 200 ')
    assert line.endswith("ms trace-0123456789")
    assert answer.headers["X-Request-ID"] == "trace-0123456789"


def test_id_of_a_client_is_not_taken(client, db, capsys):
    answer = client.get("/healthz", headers={"x-request-id": "trace-0123456789"})
    assert answer.headers["X-Request-ID"] != "trace-0123456789"
    assert "trace-0123456789" not in capsys.readouterr().out


def test_request_without_an_id_gets_one(client, db, capsys):
    answer = client.get("/healthz")
    assert capsys.readouterr().out.splitlines()[-1].endswith(answer.headers["X-Request-ID"])


def test_a_token_in_the_path_loses_its_signature(client, alice, capsys):
    token = pair_of(alice).access
    client.get(f"/nothing/{token}")
    line = capsys.readouterr().out.splitlines()[-1]
    assert token.rpartition(".")[0] in line
    assert token.rpartition(".")[2] not in line


def test_a_path_cannot_forge_a_second_line(client, db, capsys):
    client.get("/nothing%0a127.0.0.1 %22GET /admin/%22 200")
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_access_log_can_be_switched_off(client, db, settings, capsys):
    settings.ACCESS_LOG = False
    client.get("/healthz")
    assert capsys.readouterr().out == ""
