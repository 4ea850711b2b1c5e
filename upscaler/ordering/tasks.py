"""The queue's message about files that are over age by a team's rule."""

from __future__ import annotations

from django_tasks import task

from upscaler.ordering import retention


@task(queue_name="chores")
def delete_over_age() -> None:
    """Delete a slice of what is over age in each team, and send a message for the rest."""
    if retention.step():
        wake_retention()


def wake_retention() -> None:
    """Send a message where anything is over age. One that is lost is sent at the next turn."""
    if retention.is_due():
        delete_over_age.enqueue()
