"""Modelled time: device classes, their availability, and the virtual clock. Nothing here knows Flower."""
