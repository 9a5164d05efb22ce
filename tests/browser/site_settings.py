"""The project's settings, and a demo model that asks to wait so long that a page can be loaded meanwhile."""

from chatsite.settings import *  # noqa: F403
from streaming.providers import demo

demo.RETRY_AFTER_S = 12.0
