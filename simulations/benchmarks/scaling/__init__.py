"""The study ``scaling``: contributors, images, memory, training, each beside a bare loop."""
