"""A desk that enlarges product pictures for fashion teams."""

__version__ = "0.1.0"
