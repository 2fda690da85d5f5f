"""I/O: files, S3, Postgres, the environment, and the texts under `sql/`."""
