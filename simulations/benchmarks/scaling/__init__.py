"""The study ``scaling``: contributors, images, memory, training and probes, each beside a bare loop."""
