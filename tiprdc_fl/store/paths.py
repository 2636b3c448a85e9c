"""The run folder: what a run leaves on disk, named once."""

from dataclasses import dataclass
from pathlib import Path

EXTRACTOR = "extractor.safetensors"  # also in the folder of a training, and in a library
HISTORY = "training.json"  # also there
SAMPLES = "contributions.jsonl"  # in the quarantine


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run's artefacts; README says what is in each.

    Attributes:
        path: the folder. One in it, such as ``holdout``, has a collection and features of its own.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    # What was run.

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions and machine of the first session."""
        return self.path / "environment.json"

    @property
    def stages(self) -> Path:
        """Seconds of each stage in each session, one JSON line each."""
        return self.path / "stages.jsonl"

    @property
    def partition(self) -> Path:
        """Which example was dealt to which contributor."""
        return self.path / "partition.parquet"

    # Training.

    @property
    def training(self) -> Path:
        """Folder of the training itself: its checkpoint, its extractor and figures."""
        return self.path / "training"

    @property
    def extractor(self) -> Path:
        """The frozen extractor that contributors run."""
        return self.path / EXTRACTOR

    @property
    def history(self) -> Path:
        """Figures of each epoch."""
        return self.path / HISTORY

    @property
    def origin(self) -> Path:
        """Where the extractor comes from when this run did not train it."""
        return self.path / "training_from.json"

    @property
    def reconstruction_bound(self) -> Path:
        """How near to an image anyone can come from what is sent, where the protection says it."""
        return self.path / "reconstruction_bound.json"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's events."""
        return self.path / "tensorboard"

    # Collection.

    @property
    def contributors(self) -> Path:
        """Ids of all contributors."""
        return self.path / "contributors.json"

    @property
    def collection(self) -> Path:
        """What is asked, and of whom."""
        return self.path / "collection.json"

    @property
    def calibration(self) -> Path:
        """Seconds and sizes of the work on this host."""
        return self.path / "calibration.json"

    @property
    def requests(self) -> Path:
        """A row for each request of the virtual clock."""
        return self.path / "requests.parquet"

    @property
    def course(self) -> Path:
        """How the virtual clock's course ended."""
        return self.path / "course.json"

    @property
    def features(self) -> Path:
        """The feature store."""
        return self.path / "features.lance"

    @property
    def latency(self) -> Path:
        """Measured seconds and bytes of each contributor."""
        return self.path / "latency.parquet"

    @property
    def collected(self) -> Path:
        """How many answered in the last session, who failed and why."""
        return self.path / "collected.json"

    @property
    def quarantine(self) -> Path:
        """Folder of what failed validation."""
        return self.path / "quarantine"

    @property
    def withdrawals(self) -> Path:
        """Who has withdrawn, and when, one JSON line each."""
        return self.path / "withdrawals.jsonl"

    @property
    def logs(self) -> Path:
        """Folder of Flower's and Ray's logs."""
        return self.path / "logs"

    # Evaluation and report.

    @property
    def holdout(self) -> "RunFolder":
        """Features of the people that everything is measured on."""
        return RunFolder(self.path / "holdout")

    @property
    def auxiliary(self) -> "RunFolder":
        """Features of the collector's own people."""
        return RunFolder(self.path / "auxiliary")

    def augmented(self, number: int) -> "RunFolder":
        """Features of their augmented examples, which an informed adversary learns from; ``number`` is from 1."""
        return RunFolder(self.path / "augmented" / str(number))

    @property
    def controls(self) -> Path:
        """Folder of the controls."""
        return self.path / "controls"

    @property
    def untrained(self) -> Path:
        """The extractor that was never trained."""
        return self.controls / "untrained.safetensors"

    @property
    def random(self) -> "RunFolder":
        """The untrained extractor's features of contributors."""
        return RunFolder(self.controls / "random")

    @property
    def random_holdout(self) -> "RunFolder":
        """The untrained extractor's features of the holdout people."""
        return RunFolder(self.controls / "random_holdout")

    @property
    def random_auxiliary(self) -> "RunFolder":
        """The untrained extractor's features of the collector's people."""
        return RunFolder(self.controls / "random_auxiliary")

    def beside(self, name: str) -> "RunFolder":
        """What another protection would have sent: its training and extractor, and features of contributors.

        Those of holdout and collector people are in this folder's ``holdout`` and ``auxiliary``.
        """
        return RunFolder(self.controls / name)

    @property
    def trained_beside(self) -> Path:
        """Library of the trainings behind these protections: two with the same training share it."""
        return self.controls / "trained"

    @property
    def results(self) -> Path:
        """All figures of the evaluation."""
        return self.path / "results.json"

    @property
    def predictions(self) -> Path:
        """What the strongest probes infer of each holdout row."""
        return self.path / "predictions.npz"

    @property
    def reconstruction(self) -> Path:
        """Rebuilt images as arrays."""
        return self.path / "reconstruction.npz"

    @property
    def reconstruction_picture(self) -> Path:
        """Rebuilt images beside the originals, to look at."""
        return self.path / "reconstruction.png"

    @property
    def report_json(self) -> Path:
        """The report as JSON."""
        return self.path / "report.json"

    @property
    def report_html(self) -> Path:
        """The report as a page."""
        return self.path / "report.html"
