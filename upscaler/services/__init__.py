"""What the desk does with an upscale. The only code that creates one or changes its status.

- `submission`: a checked order becomes a row and a charge.
- `reuse`: which orders the team has had done already.
- `lifecycle`: claim, heartbeat, progress, finish, fail.
- `work`: one step of an upscale, in a worker.
- `sweep`: finds work whose message or worker was lost.
- `cleanup`: removes stored files that no upscale names.
"""
