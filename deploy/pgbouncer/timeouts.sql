-- PgBouncer passes no start-up options on, so the role has the timeouts that the portal sets without
-- it. Run this once as a superuser, with the name of the portal's role.
ALTER ROLE portal SET statement_timeout = '30s';
ALTER ROLE portal SET lock_timeout = '10s';
ALTER ROLE portal SET idle_in_transaction_session_timeout = '60s';
