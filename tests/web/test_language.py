from django.utils import translation


def test_a_viewers_language_ends_with_the_request(client, db):
    page = client.get("/staff/login/", headers={"accept-language": "de"})
    assert page.headers["Content-Language"] == "de"
    assert translation.get_language() == "en"
