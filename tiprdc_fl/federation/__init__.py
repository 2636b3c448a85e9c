"""The federation. Flower and Ray read these when they are imported; a privacy tool does not phone home."""

import os

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# Ray starts its workers at niceness 15: whatever else the machine does would come before the collection.
os.environ.setdefault("RAY_worker_niceness", "0")
