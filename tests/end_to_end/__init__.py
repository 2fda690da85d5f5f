"""From the node's objects to the views, through Dagster and a real Postgres."""
