"""Which rows of a table a line of text asks for: “ecd_nm > 20 and circularity < 0.8”, or a word to look for."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_temseg.engine.measure.descriptors import LENGTH_UNITS
from napari_temseg.engine.types.errors import TemsegError

Mask = npt.NDArray[np.bool_]
_TOKENS = re.compile(r"\s*(?:(<=|>=|==|!=|<|>|=|\(|\))|\"([^\"]*)\"|'([^']*)'|([^\s<>=!()\"']+))")
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}
_WITH_UNIT = re.compile(rf"_({'|'.join(LENGTH_UNITS)})2?$")
_TEXT_COLUMNS = ("image", "class", "excluded")


def matching(table: pd.DataFrame, text: str) -> Mask:
    """A bool a row. `TemsegError` says in one sentence what of the text is not understood.

    Names are those of columns, lengths and areas also without their unit; columns of yes and no stand alone (“frame and not cut”).
    Text that compares nothing and names no column is looked for in image, class and reason.
    """
    text = text.strip()
    if not text:
        return np.ones(len(table), bool)
    parser = _Parser(table, text)
    if not any(kind == "operator" for kind, _ in parser.tokens) and not any(parser.column(word) for _, word in parser.tokens):
        return _containing(table, text)
    return parser.parse()


def _containing(table: pd.DataFrame, text: str) -> Mask:
    found = (table["particle"].astype(str) == text).to_numpy()
    for name in _TEXT_COLUMNS:
        found = found | table[name].str.contains(text, case=False, regex=False).to_numpy(bool)
    return found


class _Parser:
    """Recursive descent over: or, and, not, brackets, NAME OPERATOR VALUE."""

    def __init__(self, table: pd.DataFrame, text: str) -> None:
        self.table = table
        self.names = {name.lower(): name for name in table.columns}
        for name in table.columns:
            self.names.setdefault(_WITH_UNIT.sub("", name).lower(), name)
        self.tokens = [_token(match) for match in _TOKENS.finditer(text)]
        if "".join(text.split()) != "".join("".join(match.group(0).split()) for match in _TOKENS.finditer(text)):
            raise TemsegError("The quotation mark in the filter is not closed; close it.")
        self.place = 0

    def column(self, word: str) -> str | None:
        """The column a word names."""
        return self.names.get(word.lower())

    def parse(self) -> Mask:
        """The whole text."""
        mask = self._any()
        if self.place < len(self.tokens):
            raise TemsegError(f"“{self.tokens[self.place][1]}” is not expected there; join comparisons by “and” or “or”.")
        return mask

    def _any(self) -> Mask:
        mask = self._all()
        while self._is("or"):
            mask = mask | self._all()
        return mask

    def _all(self) -> Mask:
        mask = self._one()
        while self._is("and"):
            mask = mask & self._one()
        return mask

    def _one(self) -> Mask:
        if self._is("not"):
            return ~self._one()
        if self._is("("):
            mask = self._any()
            if not self._is(")"):
                raise TemsegError("A bracket in the filter is not closed; close it with “)”.")
            return mask
        return self._comparison()

    def _comparison(self) -> Mask:
        _, word = self._next("a column")
        name = self.column(word)
        if name is None:
            raise TemsegError(f"There is no column “{word}”; the headers of the table show the names.")
        values = self.table[name]
        if self.place >= len(self.tokens) or self.tokens[self.place][0] != "operator" or self.tokens[self.place][1] in "()":
            if values.dtype != bool:
                raise TemsegError(f"“{word}” wants a comparison, such as “{word} > 1”.")
            return values.to_numpy()
        sign = self._next("a comparison")[1]
        return _compared(values, sign, self._next("a value")[1], word)

    def _is(self, wanted: str) -> bool:
        here = self.place < len(self.tokens) and self.tokens[self.place][1].lower() == wanted and self.tokens[self.place][0] != "text"
        self.place += here
        return here

    def _next(self, wanted: str) -> tuple[str, str]:
        if self.place >= len(self.tokens):
            raise TemsegError(f"The filter ends where {wanted} is expected.")
        self.place += 1
        return self.tokens[self.place - 1]


def _token(match: re.Match[str]) -> tuple[str, str]:
    sign, double, single, word = match.groups()
    if sign is not None:
        return "operator", sign
    return ("word", word) if word is not None else ("text", double if double is not None else single)


def _compared(values: pd.Series, sign: str, text: str, word: str) -> Mask:
    if values.dtype == bool:
        if text.lower() not in ("yes", "no", "true", "false", "1", "0") or sign not in ("=", "==", "!="):
            raise TemsegError(f"“{word}” is yes or no; write “{word}” or “not {word}”.")
        return np.asarray((values == (text.lower() in ("yes", "true", "1"))) ^ (sign == "!="))
    if not pd.api.types.is_numeric_dtype(values):
        return np.asarray(_COMPARE[sign](values.str.lower(), text.lower()), bool)
    try:
        number = float(text)
    except ValueError as error:
        raise TemsegError(f"“{text}” is no number, and “{word}” is compared with one.") from error
    return np.asarray(_COMPARE[sign](values.to_numpy(), number), bool)
