"""Reading and checking DIAL's files line by line; ``tiprdc_fl.data.dial`` describes them."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

from tiprdc_fl.disk import is_file, is_folder, reading_input
from tiprdc_fl.errors import InputError

CONFIDENT = 0.8  # CONF_LEVEL in the code of Elazar and Goldberg (2018)
_TWEETS_A_PERSON = 20  # consecutive tweets of a cell that stand for one person
CELLS = {"pos_pos": (1, 1), "pos_neg": (0, 1), "neg_pos": (1, 0), "neg_neg": (0, 0)}  # (Race, Mentioned)
_COLUMNS = "tweet id, time, user id, location, census block group, text, four posteriors"
_WANTED = (
    "a folder with twitteraae_all (the TwitterAAE page of Blodgett, Green and O'Connor offers it) or with "
    "pos_pos, pos_neg, neg_pos and neg_neg (made by Elazar and Goldberg's repository demog-text-removal)"
)
_TABLE = re.compile(r"twitteraae_\w+(\.txt)?|.*\.tsv")  # does not match archives
_MENTION = re.compile(r"(?<!\w)[@\uff20]\w+:?")  # Twitter accepts both signs; a colon follows in retweets
_USER = re.compile("[0-9]{1,19}")
_IDS = re.compile(r"[0-9]{1,9}(?:[ \t]+[0-9]{1,9})*")
_ESCAPED = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")

Tweet = tuple[int, int, int, bytes]  # user, Race, Mentioned, text in UTF-8


def find_files(root: Path | None) -> list[Path]:
    """Finds the files of the table, or the four cells with ``vocab`` after them if it exists.

    Raises:
        InputError: the folder is missing, or holds neither form, both, or only some cells.
    """
    if root is None:
        raise InputError(f"data.name=dial needs data.root=PATH: {_WANTED}")
    if not is_folder(root):
        raise InputError(f"data.root={root} is not a folder; data.name=dial needs {_WANTED}")
    with reading_input(root):
        entries = sorted(root.resolve().iterdir())
    present = {file.name: file for file in entries if is_file(file)}
    tables = [file for name, file in present.items() if _TABLE.fullmatch(name)]
    cells = [present[name] for name in CELLS if name in present]
    if bool(tables) == bool(cells):
        state = "both a table and cells" if tables else "neither a table nor cells"
        raise InputError(f"data.root={root} holds {state} of DIAL; give {_WANTED}")
    if tables:  # the authors' other files are parts of the first
        whole = [present[name] for name in ("twitteraae_all", "twitteraae_limited") if name in present]
        return whole[:1] or tables
    if missing := [name for name in CELLS if name not in present]:
        raise InputError(f"data.root={root} holds no {' and no '.join(missing)}; give {_WANTED}")
    return [*cells, present["vocab"]] if "vocab" in present else cells


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields lines of a file with their numbers from 1, without line ends and byte order mark.

    Raises:
        InputError: a line is not UTF-8.
    """
    with reading_input(path), path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                byte = f"the byte 0x{line[error.start]:02x} is not UTF-8"
                raise InputError(f"{path}, line {number}: {byte}; save the file as UTF-8") from None
            yield number, text.rstrip("\r\n")


def read_table(files: list[Path]) -> Iterator[Tweet]:
    """Yields tweets of a table, which has no quoting; a surplus tab belongs to the text.

    Raises:
        InputError: a line does not follow the format.
    """
    for path in files:
        for number, line in _lines(path):
            if not line.strip():
                continue
            first, *posteriors = line.rsplit("\t", 4)
            fields = first.split("\t", 5)
            if len(fields) + len(posteriors) < 10:
                raise InputError(
                    f"{path}, line {number}: {line.count(chr(9)) + 1} columns instead of 10 ({_COLUMNS}); "
                    f"restore this line from the original file"
                )
            african, _, _, white = (_posterior(text, path, number) for text in posteriors)
            user = _user(fields[2], path, number)
            if african > CONFIDENT or white > CONFIDENT:
                mentioned, text = _without_mentions(fields[5])
                if text:
                    yield user, int(african > CONFIDENT), mentioned, text.encode()


def _posterior(text: str, path: Path, line: int) -> float:
    """Parses a posterior, which may be nan; averages of rounded numbers may exceed 1 a little.

    Raises:
        InputError: it is not a probability.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if math.isnan(value) or 0 <= value <= 1.001:
        return value
    raise InputError(
        f"{path}, line {line}: the posterior {text[:40]!r} is not a number from 0 to 1; "
        f"restore this line from the original file ({_COLUMNS})"
    )


def _user(text: str, path: Path, line: int) -> int:
    """Parses a user id, a number of 63 bits.

    Raises:
        InputError: it is not such a number.
    """
    if _USER.fullmatch(text) and int(text) < 2**63:
        return int(text)
    raise InputError(
        f"{path}, line {line}: the user id {text[:40]!r} is not a whole number below 2^63; "
        f"restore this line from the original file ({_COLUMNS})"
    )


def read_cells(files: list[Path]) -> Iterator[Tweet]:
    """Yields tweets of the four cells; every _TWEETS_A_PERSON consecutive tweets of a cell stand for a person."""
    words = [word for _, word in _lines(files[4])] if len(files) > 4 else None
    person = 0
    for path in files[:4]:
        race, mentioned = CELLS[path.name]
        kept = 0
        for number, line in _lines(path):
            _, text = _without_mentions(_spell(line, words, path, number))
            if text:
                yield person + kept // _TWEETS_A_PERSON, race, mentioned, text.encode()
                kept += 1
        person += math.ceil(kept / _TWEETS_A_PERSON)


def _spell(line: str, words: list[str] | None, path: Path, number: int) -> str:
    """The text of a line, whose words may be given by their numbers.

    Raises:
        InputError: a number is not in the vocabulary, or there is no vocabulary.
    """
    if not _IDS.fullmatch(line.strip()):
        return line
    ids = [int(word) for word in line.split()]
    if words is None:
        if number == 1 and len(ids) > 1:  # in later lines, "7 11" may be the text itself
            raise InputError(
                f"{path}, line 1: numbers of words, but {path.parent} has no vocab; add that file"
            )
        return line
    if max(ids) >= len(words):
        raise InputError(
            f"{path}, line {number}: there is no word {max(ids)} among the {len(words)} of vocab; "
            f"give the vocab that was made with this file"
        )
    return " ".join(words[i] for i in ids)


def _without_mentions(text: str) -> tuple[int, str]:
    """Whether a text has a mention (0 or 1), and the text without mentions."""
    if "\\u" in text:
        text = _ESCAPED.sub(_unescape, text)
    rest, count = _MENTION.subn(" ", text)
    return int(count > 0), " ".join(rest.split())


def _unescape(match: re.Match[str]) -> str:
    """Decodes characters written as UTF-16 code units; halves of a character are dropped."""
    units = bytes.fromhex(match[0].replace("\\u", ""))
    return units.decode("utf-16-be", "ignore")
