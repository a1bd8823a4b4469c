"""Name the permissions of the app. ``tokens/models`` declares those that Django does not add."""

VIEW_TOKENS = "token_blacklist.view_outstandingtoken"
VIEW_SESSIONS = "tokens.view_session"
VIEW_EVENTS = "tokens.view_event"
EXPORT_EVENTS = "tokens.export_event"
INSPECT = "tokens.inspect_token"
INTROSPECT = "tokens.introspect_token"
REVOKE = "tokens.revoke_token"
VIEW_KEYS = "tokens.view_signingkey"
VIEW_SERVICES = "tokens.view_service"
MANAGE_SERVICES = "tokens.manage_service"
# Needed for whatever reaches everybody, however it is spelled.
CUT_OFF = "tokens.add_cutoff"
RESET_FACTORS = "tokens.reset_factor"
# Without it, staff cannot end the sessions of a superuser.
REVOKE_SUPERUSER = "tokens.revoke_superuser"
