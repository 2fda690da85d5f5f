"""From the node's hourly objects to rows of `fills`."""
