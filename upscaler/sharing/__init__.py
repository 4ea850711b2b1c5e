"""Comparisons and batches shown to people without an account, by links that end.

links      made, found, revoked: the only writer
contents   what a link shows, by numbers of its own
forms      the rules of a new link, for page and API
"""
