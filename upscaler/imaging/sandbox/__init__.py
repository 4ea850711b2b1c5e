"""Decoding what strangers send, in processes that hold nothing of the desk's.

The desk's processes are the client (`client.py`): each starts one server by exec, which has Pillow and libvips loaded
and never reads a picture itself. For every picture the server forks a child with the limits of `limits.py`, which gets
the file as an open descriptor, reads that one picture, answers and is gone.
"""

from upscaler.imaging.sandbox.client import ServerGone, Stopped, read

__all__ = ["ServerGone", "Stopped", "read"]
