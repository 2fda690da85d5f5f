"""Objects in buckets and directories: the exchange's, Artemis', and the lake made of them."""
