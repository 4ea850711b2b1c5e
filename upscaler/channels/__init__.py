"""Shops and their rules for pictures: the table, and what fits, names and checks files by it."""
