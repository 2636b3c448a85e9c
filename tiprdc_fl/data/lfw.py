"""Labeled Faces in the Wild (Huang et al., University of Massachusetts, 2007): photographs from the news.

Files, as the authors distribute them (13,233 images of 5,749 people), original, funneled or deepfunneled:
    lfw/Aaron_Eckhart/Aaron_Eckhart_0001.jpg ...  a folder for each person, 250x250 pixels
    lfw_attributes.txt    73 scores for each image, of classifiers by Kumar et al. ("Attribute and Simile
                          Classifiers for Face Verification", ICCV 2009): labels are estimates, not annotations
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tiprdc_fl.data.examples import Dataset, check_attribute_names, numbered
from tiprdc_fl.data.images import ImageFiles, ImageTable, image_dataset
from tiprdc_fl.disk import is_file, is_folder, read_bytes, reading_input
from tiprdc_fl.errors import InputError

ATTRIBUTES = "lfw_attributes.txt"
# Folders into which the archives of the images unpack the people's folders.
PLACES = ("", "lfw", "lfw_funneled", "lfw-deepfunneled", "lfw-deepfunneled/lfw-deepfunneled")
WANTED = (
    f"a folder with lfw/NAME/NAME_0001.jpg (or lfw_funneled, lfw-deepfunneled) and {ATTRIBUTES}; the images are "
    f"on the LFW page of the University of Massachusetts, the attributes on Columbia University's (search "
    f"'Attribute and Simile Classifiers')"
)


def lfw(root: Path | None, image_size: tuple[int, int], seed: int) -> Dataset:
    """LFW: people, their photographs and all attributes in the file (73 in the original).

    Only the text file and the names of the files are read now. The first ``load`` decodes the images into the cache
    folder, see ``images_of``. An attribute is 1 if its score is above 0. People are numbered from 0 in the order of
    their names. Images without a row in the attributes file are left out (90 of the original), and so are people
    without such a row.

    Args:
        root: folder with lfw_attributes.txt; the people's folders are in it, or in its lfw, lfw_funneled,
            lfw-deepfunneled or lfw-deepfunneled/lfw-deepfunneled.
        image_size: (height, width). Images are cropped around their centre to this shape and then resized
            with antialiasing.
        seed: not used; every dataset takes the same arguments.

    Raises:
        InputError: the folders, the file or an image is missing, or a row is not as described above.
    """
    if root is None:
        raise InputError(f"data.name=lfw needs data.root=PATH: {WANTED}")
    return image_dataset(read_table(root, image_size).table)


@dataclass(frozen=True, eq=False)
class LfwFolder:
    """Contents of an LFW folder.

    Attributes:
        table: the images that have a row of attributes.
        names: names of the people, with spaces; the position is the id.
        left_out: number of images without a row of attributes.
    """

    table: ImageTable
    names: tuple[str, ...]
    left_out: int


@dataclass(frozen=True)
class _Row:
    """A line of the attributes file.

    Attributes:
        line: number of the line, from 1.
        person: name of the person, with spaces instead of the file's underscores.
        number: number of the image in its name.
        scores: score of each attribute.
    """

    line: int
    person: str
    number: int
    scores: list[float]

    @property
    def image(self) -> str:
        """Relative path of the image file."""
        name = self.person.replace(" ", "_")
        return f"{name}/{name}_{self.number:04}.jpg"


def read_table(root: Path, size: tuple[int, int]) -> LfwFolder:
    """Reads the attributes, and checks them against the images.

    Args:
        root: folder that the user named.
        size: (height, width) of the decoded images.

    Returns:
        The images, ordered by person and then by number.

    Raises:
        InputError: files are missing, a row does not follow the format, or a row has no image.
    """
    folder, path = _images_folder(root), root.resolve() / ATTRIBUTES
    if not is_file(path):
        raise InputError(f"data.root={root} holds no {ATTRIBUTES}; give {WANTED}")
    attributes, rows = _read_attributes(path)
    present = {f"{person}/{file}" for person in _folders(folder) for file in _photographs(folder, person)}
    _check_rows(path, rows, folder, present)
    rows.sort(key=lambda row: (row.person, row.number))
    names, people = np.unique([row.person for row in rows], return_inverse=True)
    table = ImageTable(
        files=ImageFiles("lfw", folder, [row.image for row in rows], size),
        people=people.astype(np.int64),
        rows=numbered(people),
        attributes=attributes,
        labels=(np.array([row.scores for row in rows]) > 0).astype(np.int8),
    )
    return LfwFolder(table, tuple(names.tolist()), len(present) - len(rows))


def _images_folder(root: Path) -> Path:
    """Finds the folder that holds the people's folders; returns its absolute path.

    Raises:
        InputError: there is none, or more than one.
    """
    if not is_folder(root):
        raise InputError(f"data.root={root} is not a folder; data.name=lfw needs {WANTED}")
    root = root.resolve()
    folders = [root / place for place in PLACES if is_folder(root / place) and _holds_people(root / place)]
    if not folders:
        raise InputError(f"data.root={root} holds no NAME/NAME_0001.jpg; give {WANTED}")
    if len(folders) > 1:
        names = " and ".join(str(folder) for folder in folders)
        raise InputError(f"data.root={root} holds several versions of the images, {names}; keep one of them")
    return folders[0]


def _holds_people(folder: Path) -> bool:
    """Whether one of its folders holds an image whose name begins with that folder's name."""
    return any(_photographs(folder, person) for person in _folders(folder))


def _folders(folder: Path) -> list[str]:
    """Names of the folders in ``folder``."""
    with reading_input(folder), os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_dir()]


def _photographs(folder: Path, person: str) -> list[str]:
    """Names of a person's images; other files are ignored."""
    with reading_input(folder / person), os.scandir(folder / person) as entries:
        return [e.name for e in entries if e.name.startswith(f"{person}_") and e.name.endswith(".jpg")]


def _read_attributes(path: Path) -> tuple[tuple[str, ...], list[_Row]]:
    """Reads lfw_attributes.txt: names of the attributes, and the rows in the order of the file."""
    # Only "\n" ends a line; str.splitlines would also divide at characters that a name may hold.
    text = read_bytes(path).decode("utf-8-sig", errors="surrogateescape")
    lines = [(i, line.rstrip()) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
    titles = [(i, _cells(line)) for i, line in lines if line.startswith("#")]
    number, columns = next((title for title in titles if len(title[1]) > 3), (0, []))
    if columns[1:3] != ["person", "imagenum"]:
        raise InputError(
            f"{path}: no line '#', 'person', 'imagenum' and names of attributes, separated by tabs, at the top; "
            f"restore the original file"
        )
    attributes = tuple(columns[3:])
    check_attribute_names(path, number, attributes)
    return attributes, [_row(path, i, line, attributes) for i, line in lines if not line.startswith("#")]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t")]


def _row(path: Path, line: int, text: str, attributes: tuple[str, ...]) -> _Row:
    """Parses one line of the file, whose number ``line`` counts from 1.

    Raises:
        InputError: the line does not follow the format.
    """
    cells, wanted = _cells(text), 2 + len(attributes)
    if len(cells) != wanted:
        raise InputError(
            f"{path}, line {line}: {len(cells)} columns instead of {wanted} (person, image number and "
            f"{len(attributes)} scores, separated by tabs); restore this line from the original file"
        )
    person, number, *scores = cells
    if not person.strip():
        raise InputError(
            f"{path}, line {line}: the person is empty; write the name as in its folder, with spaces"
        )
    if not (number.isascii() and number.isdecimal()):
        raise InputError(f"{path}, line {line}: image number {number!r} is not a number; correct this line")
    values = [_score(path, line, name, score) for name, score in zip(attributes, scores, strict=True)]
    # Names with a space and with an underscore name the same folder, hence the same person.
    return _Row(line, person.replace("_", " "), int(number), values)


def _score(path: Path, line: int, attribute: str, text: str) -> float:
    """Parses a score.

    Raises:
        InputError: it is not a finite number.
    """
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise InputError(
            f"{path}, line {line}: {attribute} is {text!r} instead of a number; correct this score"
        )
    return score


def _check_rows(path: Path, rows: list[_Row], folder: Path, present: set[str]) -> None:
    """Checks that there are rows, and that each has an image of its own."""
    if not rows:
        raise InputError(
            f"{path}: no row for any of the {len(present)} images in {folder}; restore the original file"
        )
    seen: dict[str, int] = {}
    for row in rows:
        if row.image in seen:
            raise InputError(
                f"{path}, line {row.line}: {row.person} {row.number} is also in line {seen[row.image]}; remove one"
            )
        if row.image not in present:
            raise InputError(
                f"{path}, line {row.line}: {folder / row.image} is missing; restore it or remove this line"
            )
        seen[row.image] = row.line
