"""What a training starts from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt

from napari_temseg.widgets.find.model_choice import FROM_FILE
from napari_temseg.widgets.improve.trainer import NEW_NETWORK
from napari_temseg.widgets.kit.style import NameBox
from napari_temseg.widgets.session import export
from napari_temseg.widgets.session.own_models import OwnModels

if TYPE_CHECKING:
    from napari_temseg.widgets.session.session import Session

_TITLES = {"particles": "particles (shipped)", NEW_NETWORK: "none (new network)"}
FOLLOW = ""  # start from whatever model is in use


class StartBox(NameBox):
    """The shipped model, those made here, one from a file, or none; until somebody chooses, the model in use."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session, self.own = session, session.part(OwnModels)
        self.chosen = str(session.settings.get("start", FOLLOW))
        self.setToolTip(
            "Where training starts, and what Live and Next place correct: a model that finds particles already needs few strokes and "
            "little time; none makes a new network, which wants many labels and minutes. It follows the model in use until you choose here."
        )
        self.setAccessibleName("start from")
        self.setSizeAdjustPolicy(NameBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(5)  # its row fits into a dock of 300 px
        self.activated.connect(self._activated)
        session.models_changed.connect(self.refresh)
        self.refresh()

    @property
    def base(self) -> str:
        """Name or file of the model to start from, or `NEW_NETWORK`."""
        return self.chosen or self.session.model

    def refresh(self) -> None:
        """Fill it anew."""
        if self.chosen and not self._there(self.chosen):
            self.chosen = FOLLOW  # it was removed
        names = list(dict.fromkeys(["particles", *self.session.models, *self.session.own, self.base, NEW_NETWORK]))
        self.clear()
        for name in names:
            self.addItem(self._title(name), name)
            self.setItemData(self.count() - 1, self.own.tip(name), Qt.ItemDataRole.ToolTipRole)
        self.addItem(FROM_FILE, None)
        self.setCurrentIndex(names.index(self.base))

    def brief(self, name: str) -> str:
        """Without what the tooltip tells anyway."""
        return name.partition(" (")[0] if name in _TITLES.values() else name

    def _there(self, name: str) -> bool:
        """Whether it can be started from; files from elsewhere are looked for when they are read."""
        return name in ("particles", NEW_NETWORK, *self.session.models, *self.session.own) or Path(name).suffix == ".temseg"

    def _title(self, name: str) -> str:
        if name in self.session.models or name in self.session.own:
            return name
        return _TITLES.get(name, Path(name).stem)

    def _activated(self, index: int) -> None:
        name = self.itemData(index)
        if name is None:
            name = export.ask_model(self.session, self, "Start from a model")
        if name:
            # Who goes back to the model in use wants what will be in use after the next training, too.
            self.chosen = FOLLOW if name == self.session.model else name
            self.session.settings.set("start", FOLLOW if self.chosen in {*self.session.models, *self.session.own} else self.chosen)
        self.refresh()
