"""``python cli.py …`` runs hybridfer from a checkout."""

from hybridfer.__main__ import main

main()
