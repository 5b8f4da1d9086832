"""Pictures in nm beside pictures in px: napari's scale bar then has no unit, and the window says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject

from napari_temseg.engine.types.wording import some_of
from napari_temseg.widgets.canvas import layers, micrograph_layer
from napari_temseg.widgets.session.change import Change

if TYPE_CHECKING:
    from napari_temseg.widgets.session.session import Session

UNCALIBRATED_NAMED = 2  # pictures named in the sentence


class MixedUnits(QObject):
    """One sentence in the dock when layers in nm and px come together, instead of napari's pop-up at each layer."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._told = ""
        events = session.viewer.layers.events
        self._wired = (events.inserted, events.removed)
        for emitter in self._wired:
            emitter.connect(self._changed, position="last")  # after the session and napari's canvas know of it
        notification_manager.notification_ready.connect(self._noted, position="first")
        session.item_changed.connect(self._tell)
        self._bar = layers.scale_bar(session.viewer)
        self._bar.events.visible.connect(self._toggled)
        session.closing.connect(self._let_go)

    def sentence(self) -> str:
        """Why the scale bar of napari has no unit and what to do about it, "" when it has one."""
        uncalibrated = [item.name for item in self.session.items if item.calibration.pixel_size is None]
        if not self.session.items or len(uncalibrated) == len(self.session.items) or not self._matters():
            return ""
        if not uncalibrated:
            others = ", ".join(f"“{name}”" for name in micrograph_layer.without_unit(self.session.viewer)[:UNCALIBRATED_NAMED])
            return f"napari's scale bar has no unit while {others} is in px beside images in nm: remove it, or give it their units."
        return (
            "napari's scale bar has no unit while images in nm and in px are open together: "
            f"calibrate or close {some_of(uncalibrated, UNCALIBRATED_NAMED)}."
        )

    def _matters(self) -> bool:
        """Whether the scale bar of napari is shown, and has no unit."""
        return layers.scale_bar_shown(self.session.viewer) and layers.mixed_units(self.session.viewer)

    def _changed(self, event: Any) -> None:
        if micrograph_layer.shows_micrograph(event.value):
            self._tell()
        elif not layers.role(event.value) and self.session.current is not None:
            self.session.item_changed.emit(self.session.current, Change.SHOWN)  # the note in the dock comes or goes

    def _noted(self, note: Any) -> None:
        """Whatever brought it, a layer of somebody else, other units or a layer that went: it stands in the dock."""
        if str(note.message).startswith("Inconsistent units") and self.session.items:
            note.blocked = True
            if note in notification_manager.records:
                notification_manager.records.remove(note)

    def _toggled(self, event: Any) -> None:
        self._tell()
        if self.session.current is not None:  # the note in the dock comes or goes
            self.session.item_changed.emit(self.session.current, Change.SHOWN)

    def _tell(self, item: Any = None, what: Change = Change.CALIBRATION) -> None:
        if what != Change.CALIBRATION:
            return
        before, self._told = self._told, self.sentence()
        if self._told and not before:
            self.session.say("Images in nm and in px are open together, so napari's scale bar has no unit: see step 1.")

    def _let_go(self) -> None:
        notification_manager.notification_ready.disconnect(self._noted)
        for emitter in self._wired:
            emitter.disconnect(self._changed)
        self._bar.events.visible.disconnect(self._toggled)
