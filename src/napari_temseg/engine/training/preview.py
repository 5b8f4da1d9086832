"""The plane that somebody looks at while a model trains, predicted by the network as it is at that moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator

from napari_temseg.engine.model.prediction import iter_predict
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control
from napari_temseg.engine.types.results import Prediction

Look = Callable[[], Micrograph | None]  # the plane (axes "YX") to show now, or None; called in the thread that trains
PREVIEW_REST = 4.0  # × the cost of a preview: how long training goes on before the next, so that they take a fifth of the time at most


class Previews:
    """Makes previews when they are due. Each works on a copy of the network and draws nothing random: training takes no notice."""

    def __init__(
        self, look: Look | None, config: PredictConfig, control: Control, price: Callable[[Micrograph], float] = lambda _: 0.0
    ) -> None:
        """`price` tells the seconds that the prediction of a plane will take."""
        self.look, self.config, self.control, self.price = look, config, control, price
        self.due = 0.0  # s on the clock of the job
        self.cost = 0.0  # s that the newest one took

    def ahead(self) -> float:
        """Seconds that one of the plane that is looked at now will take."""
        micrograph = self.look() if self.look is not None else None
        return 0.0 if micrograph is None else self.price(micrograph)

    def show(
        self,
        model: Segmenter,
        seconds: float = math.inf,
        *,
        at_once: bool = False,
        said: Callable[[Micrograph], Prediction | None] = lambda _: None,
    ) -> Generator[str, None, Prediction | None]:
        """The prediction of the plane, or None: nobody looks, it is not due (unless `at_once`), it cannot be, it would take more than so
        many `seconds`, or the job is to finish. What is `said` of it already is not worked out again.

        Yields between tiles, with a sentence where the plane cannot be predicted: that is no reason to stop training.
        """
        if self.look is None or self.control.finishing or not (at_once or self.control.elapsed >= self.due):
            return None
        began = self.control.elapsed
        try:
            micrograph = self.look()
            if micrograph is None:
                return None
            if (known := said(micrograph)) is not None:
                return known
            if self.price(micrograph) > seconds:
                return None
            return (yield from self._predict(model, micrograph, began + seconds))
        except (TemsegError, MemoryError) as error:
            yield f"no preview: {error}"
            return None
        finally:
            self.cost = self.control.elapsed - began
            self.due = self.control.elapsed + PREVIEW_REST * self.cost

    def _predict(self, model: Segmenter, micrograph: Micrograph, until: float) -> Generator[str, None, Prediction | None]:
        if micrograph.axes != "YX":
            raise TemsegError(f"{micrograph.name}: a preview shows one plane, not a stack; take the plane with at(index).")
        job = iter_predict(model, micrograph, self.config)
        for _ in job:
            if self.control.finishing or self.control.elapsed > until:
                return None
            yield ""
        return job.result
