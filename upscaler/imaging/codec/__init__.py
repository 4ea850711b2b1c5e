"""Picture files in and out: pixels for the networks, and everything else about a picture carried over."""

from upscaler.imaging.codec.reading import UNREADABLE, Picture, jpeg_quality, load
from upscaler.imaging.codec.writing import notes, recode, result_format, save

__all__ = ["UNREADABLE", "Picture", "jpeg_quality", "load", "notes", "recode", "result_format", "save"]
