"""The choice of images that are looked at together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox

from napari_temseg.widgets.particles.pooling import SCOPES, Pool

if TYPE_CHECKING:
    from napari_temseg.widgets.session.session import Session


class ScopeBox(QComboBox):
    """Which images are looked at together; every such box of a session shows the same."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.pool = session.part(Pool)
        self.addItems(SCOPES)
        self.setAccessibleName("images looked at")
        self.setToolTip(
            "Whose particles: this image, all images of its sample (those without one stand alone), or all open ones not left out."
        )
        self.activated.connect(self._chosen)
        self.pool.scope_changed.connect(self._follow)
        self._follow()

    def _chosen(self, index: int) -> None:
        self.pool.set_scope(SCOPES[index])

    def _follow(self) -> None:
        self.setCurrentIndex(SCOPES.index(self.pool.scope))
