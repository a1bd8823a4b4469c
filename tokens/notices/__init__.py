"""Mails to owners about what happened to their accounts.

- `trail` reads the audit trail, and adds a row for each mail.
- `send` sends the rows that are due; `transport` is the last step, over SMTP.
- `mail` builds a message from a row, and `links` the link in it.
- `report` does what the links ask for.
"""
