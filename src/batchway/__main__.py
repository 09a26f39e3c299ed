"""`python -m batchway`: the command line."""

from batchway.cli import main

main()
