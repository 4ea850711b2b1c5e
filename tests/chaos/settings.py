"""The desk's own settings, for desks that are put to the test: most pictures are enlarged by repeating pixels."""

from config.settings import *
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.apps.Chaos"]
