"""The files that are kept for each team, and how much that is in all."""

from __future__ import annotations

from django.db import models

from upscaler.models.teams import Team


class StoredFile(models.Model):
    """A file in the picture storage that counts for a team. However many rows name it, it is one.

    Only ``upscaler.storage.stored_files`` writes it.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="stored_files")
    path = models.CharField(max_length=255, help_text="Its name in the picture storage.")
    file_size = models.PositiveBigIntegerField(help_text="Bytes.")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("path",), name="stored_file_once"),)

    def __str__(self) -> str:
        return self.path


class TeamStorage(models.Model):
    """The sum of a team's `StoredFile` rows, changed in the transactions that change those. A column is a kind."""

    KINDS = ("sources", "results", "channels", "copies", "feeds")

    team = models.OneToOneField(Team, on_delete=models.CASCADE, primary_key=True, related_name="storage")
    sources = models.BigIntegerField(default=0, db_default=0, help_text="Bytes.")
    results = models.BigIntegerField(default=0, db_default=0, help_text="Bytes.")
    channels = models.BigIntegerField(default=0, db_default=0, help_text="Bytes of files for shops.")
    copies = models.BigIntegerField(default=0, db_default=0, help_text="Bytes of thumbnails, previews and heat maps.")
    feeds = models.BigIntegerField(default=0, db_default=0, help_text="Bytes of catalogue checks' files.")
    counted_to = models.BigIntegerField(
        default=0, db_default=0, help_text="The last upscale whose files from before this table are counted."
    )
    counted_at = models.DateTimeField(null=True, blank=True, help_text="When all files from before were counted.")

    def __str__(self) -> str:
        return f"{self.total:,} bytes of {self.team_id}"

    @property
    def total(self) -> int:
        """Bytes of all kinds."""
        return sum(getattr(self, kind) for kind in self.KINDS)
