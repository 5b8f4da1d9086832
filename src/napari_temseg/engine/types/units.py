"""Units of length as files and people spell them: the one table that every reader asks."""

from __future__ import annotations

import re
import unicodedata

from napari_temseg.engine.types.errors import TemsegError

# Length in nm of each unit, and other spellings in lower case.
_UNITS: dict[str, tuple[float, tuple[str, ...]]] = {
    "pm": (1e-3, ("picometer", "picometre")),
    "Å": (0.1, ("å", "a", "ang", "ångström", "ångstrom", "angstrom", "angström", "angstroem")),
    "nm": (1.0, ("nanometer", "nanometre", "nanom")),
    "µm": (1e3, ("um", "µ", "u", "micron", "micrometer", "micrometre", "?m", "\ufffdm", "µmeter")),
    "mm": (1e6, ("millimeter", "millimetre")),
    "cm": (1e7, ("centimeter", "centimetre")),
    "inch": (2.54e7, ("inches", "in")),
    "m": (1e9, ("meter", "metre")),
}
_TYPED = ("pm", "Å", "A", "nm", "µm", "um", "mm", "m")  # what an error offers
_SPELLINGS = {word: unit for unit, (_, others) in _UNITS.items() for word in (unit, *others)}
# µ and Å as they come out of the wrong encoding (the last two: Japanese and Chinese Windows), or as an escape.
_MANGLED = {
    **dict.fromkeys(("\\u00b5", "\\u00B5", "\\u03bc", "\\u03BC", "&#181;", "&#956;", "&micro;", "Âµ", "Î¼", "\x83Ê", "¦Ì"), "µ"),
    **dict.fromkeys(("\\u00c5", "\\u00C5", "Ã…", "â„«"), "Å"),
}
_ANGLES = ("rad", "mrad", "µrad", "deg")


def spelt(unit: str) -> str:
    """The one spelling of a unit of length ("pm", "Å", "nm", "µm", "mm", "cm", "m"); anything else without white space.

    µ may be the micro sign, the Greek letter, the letter u, or lost in an encoding, Å the letter or the sign U+212B; words may be British
    or American, singular or plural, in capitals or not.
    """
    text = unit.strip().strip("\0").strip()
    for wrong, right in _MANGLED.items():
        text = text.replace(wrong, right)
    # Normal form KC makes one sign of Å and A with a ring, and Greek mu of the micro sign.
    text = unicodedata.normalize("NFKC", text).replace("μ", "µ")
    if text in _UNITS:
        return text
    word = text.lower()
    short = len(text) <= 2 and word != text  # capitals of symbols mean something else: Mm, PM
    if short and text not in ("A", "NM", "Nm", "UM", "Um", "µM", "?M"):
        return text
    return _SPELLINGS.get(word) or _SPELLINGS.get(word.removesuffix("s") if len(word) > 4 else word) or text


def unit_for(nanometres: float) -> str:
    """The unit in which people read lengths of about so many nm: "nm", from 1 µm on "µm", from 1 mm on "mm".

    What rounds to a thousand in three digits is one of the larger unit already.
    """
    return next((unit for unit in ("mm", "µm") if nanometres >= 0.9995 * _UNITS[unit][0]), "nm")


def length_words(length: float, unit: str = "nm", digits: int = 3) -> str:
    """A length for people, in the unit in which it is read and without an exponent: 8300 nm is "8.3 µm"; "px" stay px."""
    if unit == "px":
        return f"{plainly(length, digits)} px"
    nanometres = to_nanometres(length, unit)
    told = unit_for(nanometres)
    return f"{plainly(nanometres / _UNITS[told][0], digits)} {told}"


def size_words(pixels: float, pixel_size: float, digits: int = 3) -> str:
    """The same of a size in px where a pixel is `pixel_size` nm, 0 where that is not known."""
    return length_words(pixels * pixel_size, "nm", digits) if pixel_size else length_words(pixels, "px", digits)


def plainly(value: float, digits: int = 3) -> str:
    """A number in so many digits, and all of those before the point: never "1.6e+03"."""
    return f"{value:.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def is_reciprocal(unit: str) -> bool:
    """Whether a unit is that of a diffraction pattern: a reciprocal length, or an angle."""
    text = unicodedata.normalize("NFKC", unit.strip()).replace("μ", "µ").replace("−", "-")
    return text.startswith(("1/", "1 /", "/")) or text.endswith(("^-1", "-1", "^{-1}")) or text in _ANGLES


def typed_size(text: str, usual: str = "px") -> tuple[float | None, float | None]:
    """What people type for a size, in px or in nm (the other None): "35", "35 px", "12 nm"; `usual` is meant where no unit is.

    `TemsegError` for what is none.
    """
    match = re.fullmatch(r"\s*([0-9]*[.,]?[0-9]+\.?(?:[eE][-+]?\d+)?)\s*([^\d\s.,]*)\s*", text)
    value = float(match[1].replace(",", ".")) if match else 0.0
    if match is None or value <= 0:
        raise TemsegError(f'“{text}” is not a size: write a number of px, or a length such as "12 nm".')
    unit = match[2] or usual
    return (value, None) if unit.lower() == "px" else (None, to_nanometres(value, unit))


def typed_sizes(text: str, usual: str = "px") -> list[tuple[float | None, float | None]]:
    """One size or two, as people type them: "12 nm", "12nm,300nm", "12 and 300 nm"; each as by `typed_size`.

    A size without a unit has that of the other. `TemsegError` for what is none, for three, and for "12,300", which may be either.
    """
    if re.fullmatch(r"\s*\d+,\d{3}\s*[^\d\s.,;+]*\s*", text):
        raise TemsegError(f"“{text}” may be one size or two: write it with a point, or put a space behind the comma.")
    try:
        return [typed_size(text, usual)]
    except TemsegError:
        # A comma may be that of a decimal, so it parts only where nothing else does.
        found = (re.split(between, text) for between in (r"[;+&]", r"\band\b", r",\s+|(?<=[^\d\s.,]),", r","))
        parts = next((each for each in found if len(each) > 1), [])
        if len(parts) != 2:
            raise
    units = [unit for part in parts if (unit := re.sub(r"^[\d.,eE+\-\s]*", "", part).strip())]
    return [typed_size(part, units[0] if units else usual) for part in parts]


def typed_factor(text: str) -> tuple[float, float]:
    """A calibration factor and its relative standard uncertainty, as people type them: "1.02", "1.02 ± 0.003", "1.02 ± 0.3 %".

    `TemsegError` for what is none.
    """
    number = r"([0-9]*[.,]?[0-9]+)"
    match = re.fullmatch(rf"\s*{number}\s*(?:(?:±|\+/?-)\s*{number}\s*(%?))?\s*", text)
    value, uncertain = (float((part or "0").replace(",", ".")) for part in match.groups()[:2]) if match else (0.0, 0.0)
    if match is None or value <= 0:
        raise TemsegError(f'“{text}” is not a calibration factor: write a number such as "1.02", or "1.02 ± 0.003".')
    spread = uncertain / 100 if match[3] else uncertain / value
    if spread >= 1:
        raise TemsegError(f"“{text}” is not a calibration factor: its uncertainty is as large as the factor.")
    return value, spread


def to_nanometres(value: float, unit: str) -> float:
    """Convert a length to nm; `TemsegError` for a unit that is not a length."""
    known = _UNITS.get(spelt(unit))
    if known is None:
        raise TemsegError(f"“{unit}” is not a unit of length: use one of {', '.join(_TYPED)}.")
    return value * known[0]
