"""Set up for every test."""

import os

import torch

import tiprdc_fl.federation  # noqa: F401  (turns Flower's telemetry off before a test imports flwr)

os.environ["BROWSER"] = "true"  # the program that does nothing: no test opens a window, nor does its child
torch.set_num_threads(1)  # networks as small as the tests' only lose time by more
