"""Catalogue checks: a shop's product feed, each time that it was read, and the pictures that it names."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from upscaler.models.teams import Team


class Feed(models.Model):
    """A product feed of a team: a file, a pasted list, or an address that is read anew with every check."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="feeds")
    name = models.CharField(max_length=255)
    address = models.TextField(blank=True, help_text="Where it is fetched from; empty for files and pasted lists.")
    channels = models.JSONField(default=list, help_text="The limits that its pictures are held against, by their ids.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    removed_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Shown to nobody from then on; its rows go bit by bit."
    )

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("team", "-id"), name="feed_team_newest"),)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("feed", args=[self.pk])


class FeedCheck(models.Model):
    """One reading of a feed and of its pictures' sizes.

    ::

        Waiting ──► Reading ──► Measuring ──► Done
                        └──────────┴────────► Failed, Stopped

    Whoever works on it holds the lease, and goes on where the last one was: ``rows_read`` and the pictures themselves
    say where.
    """

    class Status(models.TextChoices):
        WAITING = "Waiting", "Waiting"
        READING = "Reading", "Reading the feed"
        MEASURING = "Measuring", "Measuring pictures"
        DONE = "Done", "Done"
        FAILED = "Failed", "Failed"
        STOPPED = "Stopped", "Stopped"

    OPEN = (Status.WAITING, Status.READING, Status.MEASURING)

    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="checks")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    file = models.CharField(max_length=255, blank=True, help_text="The feed's name in the storage.")
    file_name = models.CharField(max_length=255, blank=True, help_text="What it was called where it came from.")
    file_size = models.PositiveBigIntegerField(default=0, help_text="Bytes.")
    kind = models.CharField(max_length=40, blank=True, help_text="What the feed turned out to be, in words.")
    problem = models.TextField(blank=True, help_text="Why it failed, or what is missing although it is done.")

    rows_read = models.PositiveIntegerField(default=0, help_text="Rows of the feed that are kept already.")
    products = models.PositiveIntegerField(default=0)
    pictures = models.PositiveIntegerField(default=0, help_text="All that the feed names, bad rows among them.")
    waiting = models.PositiveIntegerField(default=0, help_text="Pictures that are not measured yet.")
    counts = models.JSONField(default=dict, help_text="The report's figures, by channel.")
    delays = models.JSONField(default=dict, help_text="Seconds between two requests that a host asks for.")
    pauses = models.JSONField(default=dict, help_text="When a host may be asked again, in seconds since 1970.")
    requests = models.PositiveIntegerField(default=0)
    bytes_read = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0, help_text="That were worked on it.")

    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    due_at = models.DateTimeField(default=timezone.now, editable=False, help_text="When it is to be worked on next.")
    worked_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When it was last taken up: who waits longest is next."
    )
    failures = models.PositiveSmallIntegerField(default=0, help_text="Attempts in a row that came to nothing.")

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(
                fields=("due_at",), condition=Q(status__in=("Waiting", "Reading", "Measuring")), name="feed_check_open"
            ),
        )

    def __str__(self) -> str:
        return f"{self.feed} {self.created_at:%Y-%m-%d}"

    @property
    def is_open(self) -> bool:
        """Whether there is more to come."""
        return self.status in self.OPEN

    @property
    def measured(self) -> int:
        """Pictures that are done with, well or badly."""
        return self.pictures - self.waiting


class FeedHost(models.Model):
    """A host of pictures while it is asked, or rests: one check at a time asks it, and the others stand in a queue.

    Rows of hosts that nobody asks, and that ask for no pause, are deleted.
    """

    name = models.CharField(max_length=255, primary_key=True)
    check_of = models.ForeignKey(
        FeedCheck,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_column="check_id",
        help_text="That asks it, as long as its lease runs.",
    )
    next_at = models.DateTimeField(null=True, blank=True, help_text="When it may be asked again.")
    queue = models.JSONField(default=list, help_text="Numbers of the checks that wait for it, the first one first.")
    kept_until = models.DateTimeField(null=True, blank=True, help_text="Until when it is kept for the first of them.")

    def __str__(self) -> str:
        return self.name


class FeedPicture(models.Model):
    """One picture of a product as a feed names it, or a row of the feed without any; what was found stands beside."""

    class Status(models.TextChoices):
        WAITING = "Waiting", "Waiting"
        MEASURED = "Measured", "Measured"
        FAILED = "Failed", "Failed"

    check_of = models.ForeignKey(FeedCheck, on_delete=models.CASCADE, related_name="rows", db_column="check_id")
    row = models.PositiveIntegerField(help_text="Its place in the feed, from 1: the line, or the product's number.")
    place = models.PositiveSmallIntegerField(default=0, help_text="0 for a product's main picture.")
    sku = models.CharField(max_length=100, blank=True)
    product_key = models.BigIntegerField(default=0, help_text="Of one product the same number, in every check.")
    title = models.CharField(max_length=255, blank=True)
    url = models.TextField(blank=True)
    url_key = models.BigIntegerField(default=0, help_text="Of equal addresses the same number.")
    host = models.CharField(max_length=255, blank=True)
    is_twin = models.BooleanField(
        default=False, help_text="Its id stands in an earlier row too, where each has its own."
    )
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    width = models.PositiveIntegerField(null=True, blank=True, help_text="Pixels, as displayed.")
    height = models.PositiveIntegerField(null=True, blank=True, help_text="Pixels, as displayed.")
    format = models.CharField(max_length=10, blank=True, help_text="By its content, as in picture_formats.")
    file_size = models.PositiveBigIntegerField(null=True, blank=True, help_text="Bytes, where its host says so.")
    problem = models.CharField(max_length=50, blank=True, help_text="The code of why it could not be measured.")
    message = models.TextField(blank=True, help_text="The same for people; of a measured one, what else is odd.")

    class Meta:
        ordering = ("row", "place")
        constraints = (models.UniqueConstraint(fields=("check_of", "row", "place"), name="feed_picture_once"),)
        indexes = (
            models.Index(fields=("check_of", "product_key", "row"), name="feed_picture_product"),
            models.Index(fields=("check_of", "url_key"), name="feed_picture_url"),
            models.Index(fields=("check_of", "host", "id"), condition=Q(status="Waiting"), name="feed_picture_waiting"),
        )

    def __str__(self) -> str:
        return self.url or self.sku
