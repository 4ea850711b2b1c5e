"""How picture files are built, read in one pass and with a limit for everything that is counted.

It comes before any decoder: those walk through files in their own ways, some of them for minutes. Bytes behind the end
of the picture, such as a phone's video, are never looked at.
"""

from upscaler.imaging.structure.formats import HEAD_LENGTH, format_of, format_of_file, opened
from upscaler.imaging.structure.scan import count_pictures

__all__ = ["HEAD_LENGTH", "count_pictures", "format_of", "format_of_file", "opened"]
