"""Evidence: what was done to which picture, by whom and what, with which verdict, and what the files say themselves.

- `approvals`: whose approval a result has.
- `records`: one record for each picture, and all of them as CSV and JSON while they are read.
"""
