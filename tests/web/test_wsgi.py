"""The application that gunicorn serves."""

from io import BytesIO
from wsgiref.util import setup_testing_defaults

import pytest

from portal.wsgi import application

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("codec", ["rot13", "hex", "zlib", "base64", "utf-7", "no-such", "utf-8"])
@pytest.mark.parametrize("path", ["/staff/login/", "/api/login", "/admin/login/"])
def test_codec_of_a_body_causes_no_server_error(path, codec):
    environ: dict[str, object] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "QUERY_STRING": "next=/",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": f"application/x-www-form-urlencoded; charset={codec}",
        "CONTENT_LENGTH": "2",
        "wsgi.input": BytesIO(b"{}"),
    }
    setup_testing_defaults(environ)
    statuses: list[str] = []
    body = application(environ, lambda status, headers: statuses.append(status))
    body.close()
    assert statuses
    assert not statuses[0].startswith("5")
