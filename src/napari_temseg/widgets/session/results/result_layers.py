"""The layers that show what a search found: particles and, when they are wanted, probability and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_temseg.widgets.canvas import brush, layers
from napari_temseg.widgets.canvas.roles import Role

if TYPE_CHECKING:
    from napari_temseg.engine.types.results import Prediction
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


def show_labels(session: Session, item: Item, labels: Any) -> None:
    """The particles layer of an item, made when there is none."""
    layer = item.particles_layer
    if layer is None:
        made = layers.add_labels(
            session.viewer,
            item.layer,
            labels,
            f"{item.name} particles",
            Role.PARTICLES,
            contour=layers.CONTOUR,
            visible=layers.is_visible(item.layer) and not item.veiled,
            opacity=1,
        )
        session.adopt(item, Role.PARTICLES, made)
    else:
        layers.set_data(layer, labels)
        brush.forget_history(layer)


def show_maps(session: Session, item: Item, prediction: Prediction) -> None:
    """The probability and class layers of an item follow what was found, where somebody has wanted them."""
    if Role.PROBABILITY in item.made:
        layers.set_data(item.made[Role.PROBABILITY], prediction.foreground())
    if Role.CLASSES in item.made:
        layers.set_data(item.made[Role.CLASSES], prediction.all_classes())
        layers.recolour(item.made[Role.CLASSES], layers.class_colours(prediction.class_names, background=False))


def want_map(session: Session, item: Item, role: Role) -> None:
    """Make the probability or class layer of an item that was searched, unless it is there.

    Not made with every result: a layer costs napari a tenth of a second and more, and each drawing of the window a little.
    """
    prediction = item.prediction
    if prediction is None or role in item.made:
        return
    name = f"{item.name} {role}"
    if role is Role.PROBABILITY:
        session.adopt(item, role, layers.add_map(session.viewer, item.layer, prediction.foreground(), name, role))
    elif role is Role.CLASSES:
        colours = layers.class_colours(prediction.class_names, background=False)
        made = layers.add_labels(
            session.viewer, item.layer, prediction.all_classes(), name, role, colours=colours, visible=False, opacity=0.5
        )
        session.adopt(item, role, made)
