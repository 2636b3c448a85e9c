"""The collector's link in one direction: devices queue for it, first come, first served."""

from dataclasses import dataclass


@dataclass
class Link:
    """A link and the queue for it.

    Attributes:
        bytes_per_second: capacity of the link.
        busy_until: moment in seconds at which the last transfer of the queue ends.
    """

    bytes_per_second: float
    busy_until: float = 0.0

    def schedule(self, now: float, size: int, device_seconds: float) -> tuple[float, float]:
        """Start and end of a transfer that joins the queue now.

        Args:
            now: moment in seconds.
            size: bytes of the transfer.
            device_seconds: time that the device's own link needs for it; the slower link decides.
        """
        start = max(now, self.busy_until)
        return start, start + max(size / self.bytes_per_second, device_seconds)

    def reserve(self, start: float, size: int, leaves: float) -> None:
        """The link is busy with a transfer until its bytes have passed or the device leaves.

        A device that leaves the queue before its turn takes no time of the link.
        """
        end = min(start + size / self.bytes_per_second, leaves)
        self.busy_until += max(0.0, end - self.busy_until)

    def repeat(self, now: float, size: int) -> None:
        """The link is busy with a second copy of a transfer, which joins the queue now."""
        self.busy_until = max(now, self.busy_until) + size / self.bytes_per_second
