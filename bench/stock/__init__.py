"""The stock peer: the smallest honest project on plain simplejwt with its blacklist app.

`settings` is what `django-admin startproject` writes plus what simplejwt's "Getting started" and
"Blacklist app" pages add, with rotation on. Two things are kinder than the tutorial: connections
to the database are kept, and DEBUG is off.
"""
