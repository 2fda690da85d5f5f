"""The feature line: history of markets, snapshots with labels, wallets, training sets."""
