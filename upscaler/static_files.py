"""Style sheets, scripts and images under names that hold a digest, so that browsers keep them for good."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage

IMPORT = (r'(?P<matched>import (?P<what>\{[^}]*\}) from "(?P<url>\./.*?)";)', 'import %(what)s from "%(url)s";')
"""An import of one of the desk's modules by another, and what takes its place."""


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Also the modules that the desk's own modules import get such names.

    Django can do that for every script or for none, and a comment in a package's script reads like an import.
    """

    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("js/*.js", (IMPORT,)))
