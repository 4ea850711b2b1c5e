"""The Uwear engine: the vendor's API does the work, and the desk fetches the picture at once and keeps it.

- `client`: one call each, in the vendor's shapes; strict in what it sends, tolerant in what it reads.
- `dialects`: how each of the vendor's two interfaces writes an order, and what a body in either says.
- `errors`: what went wrong, in people's words.
- `engine`: hand over, look for a lost hand-over, follow, download.

What needs the desk's database is in `upscaler.processing`: how many are in flight in `handover`, whether the vendor is
down in `circuit_breaker`.
"""
