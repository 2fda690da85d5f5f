"""Whether all is well: days held against what came, runs, what is measured."""
