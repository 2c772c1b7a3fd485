"""``python -m hybridfer``."""

from hybridfer.cli import main

main()
