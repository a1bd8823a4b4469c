"""Serve the app over HTTP: what its API, its pages and the admin share."""

# The parts that a project may include, by the ``app_name`` of their URLs.
PAGES = frozenset({"tokens_staff", "tokens_account"})
PARTS = PAGES | {"tokens_api"}
