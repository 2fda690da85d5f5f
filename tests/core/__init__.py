"""The rules, against an independent slow reader."""
