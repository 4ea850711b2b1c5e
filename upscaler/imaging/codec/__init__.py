"""Picture files in and out: pixels for the networks, and everything else about a picture carried over."""

from upscaler.engines.local.picture.reading import UNREADABLE, Picture, load
from upscaler.engines.local.picture.writing import recode, result_format, save

__all__ = ["UNREADABLE", "Picture", "load", "recode", "result_format", "save"]
