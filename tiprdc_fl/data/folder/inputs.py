"""The images or messages that the metadata of a user's own folder names."""

from pathlib import PurePosixPath

import numpy as np

from tiprdc_fl.data.folder.metadata import Metadata
from tiprdc_fl.data.images import ImageFiles
from tiprdc_fl.errors import InputError


def read_images(
    metadata: Metadata, order: np.ndarray, image_size: tuple[int, int]
) -> tuple[ImageFiles, np.ndarray]:
    """The images that the column file_name names, of which only the presence is checked.

    Args:
        metadata: a table with that column; paths start from its folder.
        order: positions of the rows in the order that is wanted, int64 [n].
        image_size: (height, width) of the pixels to deliver.

    Returns:
        the files in this order, and the sizes of their pixels in bytes, int64 [n].

    Raises:
        InputError: a path is missing, leaves the folder, is there twice or names no file.
    """
    names = _file_names(metadata)
    missing = [row for row, name in enumerate(names) if not _is_there(metadata, row, name)]
    if missing:
        raise _missing_error(metadata, missing, names)
    height, width = image_size
    files = ImageFiles("folder", metadata.path.parent, [names[i] for i in order.tolist()], image_size)
    return files, np.full(len(names), 3 * height * width, np.int64)


def _is_there(metadata: Metadata, row: int, name: str) -> bool:
    """Whether the image of the row at position ``row`` is a file."""
    try:
        return (metadata.path.parent / name).is_file()
    except OSError as error:  # too long a name, or a folder that may not be looked into
        raise InputError(
            f"{metadata.place(row)}: the file_name {name[:40]!r} ({len(name)} characters) cannot be looked up: "
            f"{error.strerror or error}; correct it, or move the image"
        ) from error


def _missing_error(metadata: Metadata, missing: list[int], names: list[str]) -> InputError:
    """The error that names the first of the ``missing`` rows."""
    name = names[missing[0]]
    count = "" if len(missing) == 1 else f" and {len(missing) - 1} more of the {len(names)} images"
    fix = "write / instead of \\ in file_name" if "\\" in name else "restore them or remove their rows"
    path = metadata.path.parent / name
    return InputError(f"{metadata.place(missing[0])}: no image {path}{count}; {fix}")


def _file_names(metadata: Metadata) -> list[str]:
    """Paths of the images, each within the folder and listed once."""
    seen: dict[str, int] = {}
    for row, value in enumerate(metadata.columns["file_name"]):
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{metadata.place(row)}: no path in the column 'file_name'; fill it in")
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts:
            raise InputError(
                f"{metadata.place(row)}: file_name {value!r} is not within the folder; "
                f"give a path relative to {metadata.path.parent}"
            )
        if str(path) in seen:
            first = metadata.numbers[seen[str(path)]]
            raise InputError(
                f"{metadata.place(row)}: {path} is also in {metadata.unit} {first}; remove one of the two"
            )
        seen[str(path)] = row
    return list(seen)


def read_texts(metadata: Metadata, order: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The messages in the column text.

    Args:
        metadata: a table with that column.
        order: positions of the rows in the order that is wanted, int64 [n].

    Returns:
        the messages in this order, and their sizes in bytes of UTF-8, int64 [n].

    Raises:
        InputError: a message is missing.
    """
    texts: list[str] = []
    for row, value in enumerate(metadata.columns["text"]):
        if not isinstance(value, str) or not value.strip():
            raise InputError(
                f"{metadata.place(row)}: no message in the column 'text'; fill it in or remove the row"
            )
        # JSON can write half a character, which UTF-8 cannot.
        texts.append(value.encode(errors="replace").decode())
    texts = [texts[i] for i in order.tolist()]
    return texts, np.array([len(text.encode()) for text in texts], np.int64)
