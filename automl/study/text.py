"""Formatting of params, times, sizes and trials as text: the same in tables, logs, folder names and reports."""

import re
import shlex
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.study.trial import Params, ParamValue, Trial

UNFIT: Final = re.compile(r"[^A-Za-z0-9._+-]")
"""Characters not allowed in a folder's name: a choice may be any text, and must not form another path."""
CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters, line breaks and marks of writing direction: in a name they would move the cursor, forge a line of
a log, or show another name."""
STYLES: Final = re.compile(r"\x1b\[[0-9;]*[mK]")
"""Colours, and the sequence that erases to the end of the line: what progress bars print."""
LONGEST: Final = 64
GB: Final = 10**9
"""Decimal units of sizes, in messages and in settings."""
UNITS: Final = ((GB, "GB"), (10**6, "MB"), (10**3, "kB"))


def printable(text: str) -> str:
    r"""Return a text that can be written as UTF-8: undecodable bytes of a file name become escapes.

    >>> printable("b\udcfcro"), printable("büro")
    ('b\\xfcro', 'büro')
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that encodes no byte
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def one_line(text: str) -> str:
    r"""Return a text for a terminal, a log or a page, in one line: control characters and line breaks become escapes.

    >>> one_line("hole\x1b[31m\nchampion"), one_line("b\udcfcro")
    ('hole\\x1b[31m\\nchampion', 'b\\xfcro')
    """
    return CONTROLS.sub(lambda found: found.group().encode("unicode_escape").decode(), printable(text))


def lines(*texts: object) -> str:
    r"""Return a message of several lines, each as `one_line` returns it.

    >>> lines("a\x07", "b\nc")
    'a\\x07\nb\\nc'
    """
    return "\n".join(one_line(str(text)) for text in texts)


def document(text: str) -> str:
    r"""Return a text whose line breaks are its own, such as a page: each line as `one_line` returns it.

    >>> document("a\x07\nb")
    'a\\x07\nb'
    """
    return lines(*text.split("\n"))


def log_text(text: str) -> str:
    r"""Return what a vendor printed for a log file: without colours, control characters as escapes.

    Line breaks and tabs stay; a carriage return alone, with which progress bars begin, becomes a line break.

    >>> log_text("\r\x1b[K\x1b[1m50%\x1b[0m\tof a\x07.jpg\r\n")
    '\n50%\tof a\\x07.jpg\n'
    """
    broken = re.sub("\r\n?", "\n", STYLES.sub("", text))
    return "\n".join("\t".join(map(one_line, line.split("\t"))) for line in broken.split("\n"))


def shell_line(*words: object) -> str:
    r"""Return words as a line to type in a shell, each quoted where it must be.

    >>> shell_line("automl", "resume", "runs/a b"), shell_line("ls", "a\nb")
    ("automl resume 'runs/a b'", "ls $'a\\x0ab'")
    """
    return " ".join(_shell_word(str(word)) for word in words)


def _shell_word(word: str) -> str:
    if one_line(word) == word:
        return shlex.quote(word)
    return "$'" + "".join(map(_shell_letter, word)) + "'"


def _shell_letter(letter: str) -> str:
    if one_line(letter) == letter:
        return "\\" + letter if letter in "\\'" else letter
    return "".join(f"\\x{byte:02x}" for byte in letter.encode("utf-8", "surrogateescape"))


def label(value: ParamValue) -> ParamValue:
    """Return a param for display: of a path the file's name.

    >>> label("/weights/yolo11n.pt")
    'yolo11n.pt'
    """
    return Path(value).name if isinstance(value, str) and "/" in value else value


def short(value: ParamValue) -> str:
    """Return a value formatted for a table cell.

    >>> short(0.0123456), short("/weights/yolo11n.pt")
    ('0.01235', 'yolo11n.pt')
    """
    return f"{value:.4g}" if isinstance(value, float) else str(label(value))


def shown(params: Params) -> str:
    """Return params in one line.

    >>> shown({"optimizer": "SGD", "lr0": 0.0123456})
    'optimizer=SGD lr0=0.01235'
    """
    return " ".join(f"{name}={short(value)}" for name, value in params.items())


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun in the singular or plural.

    >>> counted(1, "version"), counted(2, "version"), counted(0, "study", "studies")
    ('1 version', '2 versions', '0 studies')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Return a time in the largest fitting units.

    >>> duration(75), duration(7260)
    ('1m15s', '2h01m')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m{whole % 60:02d}s" if whole < 3600 else f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def amount(size: int) -> str:
    """Return a number of bytes in the largest fitting unit.

    >>> amount(0), amount(900), amount(34_100_000), amount(2_400_000_000)
    ('0 B', '900 B', '34 MB', '2.4 GB')
    """
    unit, name = next(((unit, name) for unit, name in UNITS if size >= unit), (1, "B"))
    return f"{size / unit:.1f} {name}" if unit > 1 and size < 10 * unit else f"{size / unit:.0f} {name}"


def plain_name(text: str) -> str:
    """Return a text as the name of a study: letters that no name may have become a dash.

    Those of other alphabets have no dash, but four digits of their checksum, so that names differ where the texts do.

    >>> plain_name("pcb v2"), plain_name("螺栓"), plain_name("pcb 检测"), plain_name("?")
    ('pcb-v2', 'study-ddc6', 'pcb-c970', 'study')
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")
    if text.isascii():
        return plain[:LONGEST] or "study"
    digits = f"-{zlib.crc32(text.encode(errors='replace')) & 0xFFFF:04x}"
    return (plain[: LONGEST - len(digits)].rstrip("._-") or "study") + digits


def trial_name(trial: Trial, model: str) -> str:
    """Return a folder name that sorts by number and contains the params.

    >>> trial_name(Trial(7, {"optimizer": "AdamW", "lr0": 0.003}, seed=7), "yolo11n.pt")
    '0007_yolo11n_adamw_lr3e-3'
    """
    parts = [f"{trial.number:04d}", Path(str(trial.params.get("model", model))).stem]
    if "optimizer" in trial.params:
        parts.append(str(trial.params["optimizer"]).lower())
    if isinstance(rate := trial.params.get("lr0"), int | float):
        parts.append("lr" + f"{rate:.0e}".replace("e-0", "e-").replace("e+0", "e"))
    return "_".join(UNFIT.sub("-", part)[:LONGEST] for part in parts)


@dataclass(frozen=True, slots=True)
class View:
    """A table of a study: a title, columns and rows of text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    optional: Sequence[str] = ()
    """Columns that are dropped first where the terminal is narrow, in this order."""
    more: int = 0
    """Number of further columns that are not shown."""
    best: int | None = None
    """Index of the best row."""
