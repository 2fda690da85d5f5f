-- Every role of the server.
SELECT rolname FROM pg_roles
