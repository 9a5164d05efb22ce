"""The project's settings, but a provider may be silent for as long as a slow machine needs to look at the silence."""

from chatsite.settings import *  # noqa: F403
from chatsite.settings import STREAMING as PRODUCT_STREAMING

STREAMING = {**PRODUCT_STREAMING, "between_text_timeout_s": 240.0}
