"""A config dataclass becomes a form: one magicgui widget a field, with its title, help, bounds and unit, and nothing declared twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from magicgui import widgets as magic
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.setting import Config
from napari_temseg.widgets.kit.style import row

AUTOMATIC = "automatic"


class ConfigForm(QWidget):
    """Edits one config. `value()` and `set_value()`; `changed` carries the new config, `complained` the sentence for one that cannot be."""

    changed = Signal(object)
    complained = Signal(str)

    def __init__(
        self,
        config: Config,
        names: Sequence[str] = (),
        without: Sequence[str] = (),
        fold: str = "more",
        first: Sequence[str] = (),
        apart: Sequence[str] = (),
    ) -> None:
        """`names` picks fields and their order (default: all), `without` leaves some out.

        Fields marked advanced, or all but `first` where that is given, lie in a fold, whose title `fold` says what is in it. Those `apart`
        are made, as `fields[name].native`, for a place of the caller's.
        """
        super().__init__()
        self._config = config
        self._hints = get_type_hints(type(config))
        fields = {entry.name: entry for entry in dataclasses.fields(config)}
        chosen = [fields[name] for name in (names or fields) if name not in without and not fields[name].metadata.get("said_by")]
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)  # rows are not squeezed while others come
        self.fields: dict[str, Any] = {}
        self._readouts: dict[str, QLabel] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for name in apart:
            self._field(fields[name])
        chosen = [entry for entry in chosen if entry.name not in apart]
        plain = [entry for entry in chosen if (entry.name in first if first else not entry.metadata.get("advanced"))]
        advanced = [entry for entry in chosen if entry not in plain]
        if plain:
            layout.addWidget(self._group(plain))
        if advanced:
            self.fold = folded(fold, f"Settings that seldom need a change: {', '.join(entry.metadata['title'] for entry in advanced)}.")
            self.fold.addWidget(self._group(advanced))
            self.fold.collapse(animate=False)
            layout.addWidget(self.fold)

    def value(self) -> Any:
        """The config as it stands in the form."""
        return self._config

    def set_value(self, config: Config) -> None:
        """Show another config, without a signal."""
        self._config = config
        for name, widget in self.fields.items():
            with widget.changed.blocked():
                _show(widget, getattr(config, name))
            if name in self._readouts:
                self._readouts[name].setText(f"{widget.value:.2f}")

    def say_automatic(self, name: str, value: float | None) -> None:
        """Tell, in a field that may be left empty, what empty comes to here."""
        self.fields[name].native.setPlaceholderText(AUTOMATIC if value is None else f"{AUTOMATIC}: {value:.2g}")

    def _group(self, entries: Sequence[dataclasses.Field[Any]]) -> QWidget:
        box = QWidget()
        form = QFormLayout(box)
        form.setContentsMargins(0, 2, 0, 2)
        form.setSpacing(4)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        for entry in entries:
            widget, title = self._field(entry)
            if isinstance(widget, magic.CheckBox):  # a line of its own: its long title shall not narrow the other fields
                widget.text = title
                form.addRow(widget.native)
                continue
            label = QLabel(title)
            label.setToolTip(widget.native.toolTip())
            widget.native.setMinimumWidth(40 if _slides(widget) else 60)  # else it would widen the dock
            form.addRow(label, row([widget.native, self._readout(entry.name)], (1, 0)) if _slides(widget) else widget.native)
        return box

    def _field(self, entry: dataclasses.Field[Any]) -> tuple[Any, str]:
        """Make what edits a field, and its title with its unit."""
        widget = _widget(entry, self._hints[entry.name], getattr(self._config, entry.name))
        widget.changed.connect(lambda *_, name=entry.name: self._edited(name))
        self.fields[entry.name] = widget
        title = entry.metadata["title"] + (f" ({entry.metadata['unit']})" if entry.metadata.get("unit") else "")
        for part in (widget.native, *widget.native.findChildren(QWidget)):  # a slider is wrapped in a widget
            part.setToolTip(entry.metadata["help"] + ".")
            part.setAccessibleName(title)
        return widget, title

    def _readout(self, name: str) -> QLabel:
        """The value of a slider in figures; magicgui's own is not drawn under napari's style."""
        label = QLabel(f"{self.fields[name].value:.2f}")
        label.setMinimumWidth(32)
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.fields[name].changed.connect(lambda value: label.setText(f"{value:.2f}"))
        self._readouts[name] = label
        return label

    def _edited(self, name: str) -> None:
        try:
            value = _read(self.fields[name], self._hints[name])
            self._config = dataclasses.replace(self._config, **{name: value})
        except TemsegError as error:
            self.complained.emit(str(error))
            return
        self.complained.emit("")
        self.changed.emit(self._config)


def folded(title: str, tip: str) -> QCollapsible:
    """A fold, closed, for what is seldom needed; `collapse` it again once it is filled, or it shows what is in it."""
    fold = QCollapsible(title)
    fold.setDuration(0)
    nothing = QPixmap(1, 1)  # an icon made of a text is drawn once, in black, on dark themes too
    nothing.fill(Qt.GlobalColor.transparent)
    for give in (fold.setCollapsedIcon, fold.setExpandedIcon):
        give(QIcon(nothing))

    def show(open_: bool) -> None:
        fold.setText(f"{'▾' if open_ else '▸'} {title}")

    fold.toggled.connect(show)
    show(False)
    fold.toggleButton().setAccessibleName(title)
    if (layout := fold.layout()) is not None:
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)  # that of a closed one is below nothing
    fold.toggleButton().setToolTip(tip)
    return fold


def _slides(widget: Any) -> bool:
    return isinstance(widget, magic.FloatSlider)


def _kind(hint: Any) -> tuple[Any, bool]:
    """Type without None, and whether None is allowed."""
    if isinstance(hint, UnionType):
        return next(each for each in get_args(hint) if each is not NoneType), True
    return hint, False


def _widget(entry: dataclasses.Field[Any], hint: Any, value: Any) -> Any:
    kind, optional = _kind(hint)
    low, high, choices = (entry.metadata.get(key) for key in ("minimum", "maximum", "choices"))
    if choices:
        choice = magic.ComboBox(choices=list(choices), value=value)
        # A long choice must not widen the dock.
        choice.native.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        choice.native.setMinimumContentsLength(6)
        return choice
    if kind is bool:
        return magic.CheckBox(value=value, text="")
    if kind in (int, float) and not optional:
        if kind is float and low == 0 and high == 1:
            return magic.FloatSlider(min=low, max=high, step=0.01, value=value, readout=False)
        box = magic.SpinBox if kind is int else magic.FloatSpinBox
        return box(min=_least(kind, low), max=_most(kind, high), value=value, step=_step(kind, value, high))
    line = magic.LineEdit(value=_text(value))
    line.native.setPlaceholderText(AUTOMATIC if optional else "")
    return line


def _least(kind: type[float], low: float | None) -> float:
    return kind(-(2**31) if low is None else low)


def _most(kind: type[float], high: float | None) -> float:
    return kind(min(2**31 - 1, 2**31 - 1 if high is None else high))


def _step(kind: type[float], value: float, high: float | None) -> float:
    """About a tenth of the value: one click should be seen, and not be wild."""
    if kind is int:
        return max(1, int(10 ** max(0, len(str(int(value))) - 2)))
    return 0.05 if high is not None and high <= 3 else 0.5 if value < 10 else 5.0


def _text(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _show(widget: Any, value: Any) -> None:
    widget.value = _text(value) if isinstance(widget, magic.LineEdit) else value


def _read(widget: Any, hint: Any) -> Any:
    """The value of a widget as its field has it; `TemsegError` for text that is none."""
    if not isinstance(widget, magic.LineEdit):
        return widget.value
    kind, optional = _kind(hint)
    text = str(widget.value).strip()
    if optional and text in ("", AUTOMATIC):
        return None
    if kind is str:
        return text
    try:
        if get_origin(kind) is tuple:
            return tuple(get_args(kind)[0](part) for part in text.replace(";", ",").split(",") if part.strip())
        return kind(text)
    except ValueError as error:
        raise TemsegError(f"“{text}” is no number: write one, or leave the field empty.") from error
