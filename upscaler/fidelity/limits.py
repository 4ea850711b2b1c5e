"""From where on a person should look.

All of them were measured: on what the local engine makes of sixteen photographs, which must pass, against fifteen kinds
of alterations of the same, and then tried on sixteen others (`make bench PART=fidelity_check`, docs/fidelity.md).
"""

from __future__ import annotations

COLOUR_REGION = 4.0
"""CIEDE2000 of a region of some 20 pixels."""
COLOUR_WHOLE = 1.5
"""The same, the mean of the whole picture."""
DETAIL = 0.3
"""Lost structure (1 - SSIM) times lost detail (levels of L), in windows of some 20 pixels."""
LETTER_GONE = 0.1
"""How likely a letter must still be that could be read in the source, 0 to 1."""
FEATURE_MOVED = 0.06
"""Share of a face's height."""
FACE_LIKENESS = 0.9
"""Correlation of a face with what it was."""
OUTLINE = 0.12
"""Share of a region of some 12 pixels that changed sides."""
FRAME = 0.8, 0.0025
"""Pixels of the pictures that are compared, and share of their longer side: both must be lost or added at an edge."""
