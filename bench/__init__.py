"""How fast and how good the local engine is, measured on this machine. ``make bench`` runs all and writes README.md."""
