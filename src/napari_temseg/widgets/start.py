"""What a training starts from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QFileDialog

from napari_temseg.widgets.training import NEW

if TYPE_CHECKING:
    from napari_temseg.widgets.session import Session

FROM_FILE = "from file…"
FOLLOW = ""  # start from whatever model is in use


class StartBox(QComboBox):
    """The shipped model, those made here, one from a file, or none; until somebody chooses, the model in use."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.chosen = str(session.settings.get("start", FOLLOW))
        self.setToolTip(
            "Where training starts: a model that finds particles already needs few strokes and little time; "
            "none makes a new network, which wants many labels and minutes."
        )
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.activated.connect(self._activated)
        session.models_changed.connect(self.refresh)
        self.refresh()

    @property
    def base(self) -> str:
        """Name or file of the model to start from, or `NEW`."""
        return self.chosen or self.session.model

    def refresh(self) -> None:
        """Fill it anew."""
        names = list(dict.fromkeys(["particles", *self.session.models, self.base, NEW]))
        self.clear()
        for name in names:
            self.addItem(self._title(name), name)
        self.addItem(FROM_FILE, None)
        self.setCurrentIndex(names.index(self.base))

    def _title(self, name: str) -> str:
        if name in self.session.models:
            return name
        return {"particles": "particles (shipped)", NEW: "none (new network)"}.get(name, Path(name).stem)

    def _activated(self, index: int) -> None:
        name = self.itemData(index)
        if name is None:
            name, _ = QFileDialog.getOpenFileName(self, "Start from a model", "", "Models (*.temseg)")
        if name:
            # Who goes back to the model in use wants what will be in use after the next training, too.
            self.chosen = FOLLOW if name == self.session.model else name
            self.session.settings.set("start", FOLLOW if self.chosen in self.session.models else self.chosen)
        self.refresh()
