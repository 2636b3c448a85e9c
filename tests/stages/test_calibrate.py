"""What the calibration says a device needs, from seconds that are known."""

import numpy as np

from tiprdc_fl.stages.calibrate import Calibration

SECONDS = {
    "load": {"fixed": 1000.0, "per_example": 1000.0, "per_raw_byte": 1000.0},  # no device does it
    "prepare": {"fixed": 1.0, "per_example": 2.0, "per_raw_byte": 0.25},
    "forward": {"fixed": 0.0, "per_example": 0.5, "per_raw_byte": 0.0},
    "encode": {"fixed": 4.0, "per_example": 0.0, "per_raw_byte": 0.0},
}
CALIBRATION = Calibration(
    seconds=SECONDS,
    sent_bytes={"fixed": 100.0, "per_example": 10.0, "per_raw_byte": 0.5},
    seconds_per_example=dict.fromkeys(SECONDS, 1.0),
    memory_bytes=1,
    contributors=1,
    examples=1,
    repeated=1,
    threads=1,
    rows=8,
)
EXAMPLES, RAW_BYTES = np.array([0, 1, 9]), np.array([0, 16, 160])


def test_seconds_of_a_device_are_those_of_its_three_stages_by_hand():
    # prepare 1 + 2 + 4, a pass of 8 rows, encode 4; then prepare 1 + 18 + 40, two passes, encode 4.
    assert CALIBRATION.device_seconds(EXAMPLES, RAW_BYTES).tolist() == [0, 7 + 4 + 4, 59 + 8 + 4]


def test_bytes_of_a_contribution_by_hand():
    assert CALIBRATION.upload_bytes(EXAMPLES, RAW_BYTES).tolist() == [0, 100 + 10 + 8, 100 + 90 + 80]
