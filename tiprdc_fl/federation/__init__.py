"""The federation: contributors do the work, Flower and Ray carry it.

Flower and Ray read the environment variables below when they are imported. A privacy tool sends no telemetry.
"""

import os

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# By default Ray starts its workers at niceness 15, so every other process would come before the collection.
os.environ.setdefault("RAY_worker_niceness", "0")
