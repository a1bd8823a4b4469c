import pytest

from tests.notices.sink import Sink


@pytest.fixture(autouse=True)
def _reachable(settings):
    settings.PORTAL_URL = "https://portal.example.com"


@pytest.fixture
def sink(settings):
    """Return a real SMTP server, which the project's mails go to."""
    with Sink() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
        yield server
