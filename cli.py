"""``python cli.py …`` runs hybridfer from a checkout."""

from hybridfer.cli import main

main()
