"""What the desk does. The only code that creates an upscale, changes its status, or changes who is in a team.

- `submission`: a checked order becomes a row and a charge.
- `reuse`: which orders the team has had done already.
- `lifecycle`: claim, heartbeat, progress, finish, fail.
- `work`: one step of an upscale, in a worker.
- `sweep`: finds work whose message or worker was lost.
- `notices`: sends the e-mails that a charge gave rise to.
- `refunds`: gives the price of a finished upscale back by hand.
- `cleanup`: removes stored files that no upscale names.
- `made_up`: a long history for benches, in bulk.
- `people`: roles, removing people, leaving.
- `invitations`: asking people to join, and joining.
"""
