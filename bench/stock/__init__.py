"""Define the stock peer: a minimal project on plain simplejwt with its blacklist app.

`settings` is what `django-admin startproject` writes, plus what simplejwt's "Getting started" and
"Blacklist app" pages add, with rotation on. It differs from the tutorial in two ways that make it
faster: it keeps its database connections, and DEBUG is off.
"""
