"""What each line of the log says beside its text, and what none may say. Knows nothing else of the desk.

- `context`: the numbers of what is at work: request, team, batch, upscale.
- `redaction`: keeps keys, tokens and links out.
- `lines`: a line for people, or JSON for programs.
"""
