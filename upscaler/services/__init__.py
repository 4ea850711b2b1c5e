"""What the desk does with an upscale. The only code that creates one or changes its status.

- `submission`: a checked order becomes a row and a charge.
- `lifecycle`: claim, heartbeat, progress, finish, fail.
- `work`: one step of an upscale, in a worker.
- `sweep`: finds work whose message or worker was lost.
- `notices`: sends the e-mails that a charge gave rise to.
- `refunds`: gives the price of a finished upscale back by hand.
- `cleanup`: removes stored files that no upscale names.
- `made_up`: a long history for benches, in bulk.
"""
