"""The independent test oracle: slow, obvious, and sharing nothing with the product.

`slow_reader` turns raw lines into rows, `aggregates` and `profiles` turn rows into the tables of
the contract, `hostile_lines` lists hand-made lines with their verdicts. Nothing here imports the
product; everything is written from the specification, with the standard library and lz4 only.
"""
