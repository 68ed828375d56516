"""`python -m radir_node` is the `radir` command."""

from radir_node.cli import main

main()
