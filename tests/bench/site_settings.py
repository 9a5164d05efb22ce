"""The product's settings with the simulator's models on offer; BENCH_SITE (JSON) has what differs."""

import json
import os

from chatsite.settings import *  # noqa: F403
from chatsite.settings import INSTALLED_APPS as PRODUCT_APPS
from chatsite.settings import STREAMING as PRODUCT_STREAMING

_site = json.loads(os.environ["BENCH_SITE"])
STREAMING = {**PRODUCT_STREAMING, "models": tuple(_site["models"]), **_site["streaming"]}
INSTALLED_APPS = list(PRODUCT_APPS)
if "BENCH_PROBE" in os.environ:
    INSTALLED_APPS.append("tests.bench.probe.Probe")
if "BENCH_QUERIES" in os.environ:
    INSTALLED_APPS.append("tests.bench.query_count.QueryCount")
