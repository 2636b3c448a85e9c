"""Run as a program: see ``command``."""

import sys

from tiprdc_fl.report.command import main

if __name__ == "__main__":
    sys.exit(main())
