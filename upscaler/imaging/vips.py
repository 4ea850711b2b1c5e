"""libvips, set up for pictures from strangers; everything that uses it takes it from here."""

from __future__ import annotations

import logging

import pyvips

__all__ = ["pyvips"]

# It warns of every oddity in a file, and a file can have thousands.
logging.getLogger("pyvips").setLevel(logging.ERROR)
# Readers that libvips itself calls not hardened against hostile files; none of them is needed.
pyvips.block_untrusted_set(True)
# Every picture is read and written once.
pyvips.cache_set_max(0)
