"""The product's settings with the app that carries the switches."""

from chatsite.settings import *  # noqa: F403
from chatsite.settings import INSTALLED_APPS as PRODUCT_APPS

INSTALLED_APPS = [*PRODUCT_APPS, "tests.reliability.switches.app.Switches"]
