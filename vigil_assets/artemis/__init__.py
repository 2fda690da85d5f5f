"""The feature line: market history, snapshots, labels, wallets."""
