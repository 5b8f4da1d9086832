"""Step 3: paint where the model is wrong, train it, and watch it learn."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QCheckBox, QLabel, QLineEdit, QSizePolicy, QSpacerItem, QVBoxLayout, QWidget

from napari_temseg.engine.types.config import TrainConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import replacing
from napari_temseg.widgets.compare.dialog import open_comparison
from napari_temseg.widgets.find.finder import Finder
from napari_temseg.widgets.improve.annotation.annotation_box import AnnotationBox
from napari_temseg.widgets.improve.annotation.annotator import Annotator
from napari_temseg.widgets.improve.contradictions import Contradictions
from napari_temseg.widgets.improve.curve_advice import tuned_table
from napari_temseg.widgets.improve.curves import CurvePlots
from napari_temseg.widgets.improve.live.live_box import LiveBox
from napari_temseg.widgets.improve.starting_model import StartBox
from napari_temseg.widgets.improve.trainer import Trainer
from napari_temseg.widgets.improve.training_account import TrainingAccount
from napari_temseg.widgets.improve.training_labels import source
from napari_temseg.widgets.improve.training_set import TrainingSet, ready
from napari_temseg.widgets.jobs.runner import complain, guarded
from napari_temseg.widgets.kit.brief import Brief
from napari_temseg.widgets.kit.forms import ConfigForm
from napari_temseg.widgets.kit.greyed import allow
from napari_temseg.widgets.kit.style import ElidedButton, button, highlight, row, separator
from napari_temseg.widgets.session import export
from napari_temseg.widgets.session.questions import Questions
from napari_temseg.widgets.session.settings import remembered

if TYPE_CHECKING:
    from napari_temseg.engine.model.segmenter import Segmenter
    from napari_temseg.widgets.autosave.trainings import KeptTraining
    from napari_temseg.widgets.session.session import Session

TRAIN_KEY = "F9"
TRAIN_TIP = f"Train a model on the labels of the ticked images ({TRAIN_KEY}); painting goes on meanwhile, and nothing is replaced."
FOOT = 112  # px below all, while there are curves
BUDGET_WIDTH = 92  # px of the seconds beside the model to start from
VERDICT_LINES, ADVICE_LINES = 4, 3  # of what is said of a training; the rest comes by “more”


class ImprovePanel(QWidget):
    """Annotation above, training below, curves at the foot.

    *Train* and where it starts stand above all that grows: nothing that is pressed next moves when images join the training set, or curves
    come; and the curve is seen at 1280 × 800 with two images and a question.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session, self.annotator, self.trainer = session, session.part(Annotator), session.part(Trainer)
        self.labelling = AnnotationBox(self.annotator)
        self.classes = self.labelling.classes
        self.account = TrainingAccount(self.trainer)
        self.set = TrainingSet(self.annotator, self.trainer, self)
        self.start = StartBox(session)
        self.live = LiveBox(session, self.start)
        usual = remembered(TrainConfig, session.settings.get("train"))
        # The size is said in Find, of the picture.
        self.form = ConfigForm(usual, without=("typical_size",), fold="network, loss, augmentation", apart=("max_seconds",))
        self.tune = QCheckBox("Search learning rate and batch first")
        self.tune.setToolTip(
            "Up to six pairs of learning rate and batch are tried in the first two fifths of the time budget, the better half for longer, "
            "and training goes on with the best. Needs labels that can be held out, and time: some minutes."
        )
        self.tune.setChecked(bool(session.settings.get("tune", False)))
        self.form.fold.addWidget(self.tune)
        self.train = button(
            "Train",
            TRAIN_TIP,
            self._train,
        )
        self.back = ElidedButton("Go back", self._go_back)
        self.try_it = ElidedButton("Try it anyway", self._try_it)
        self.try_it.set_text("Try it anyway", "Try it")
        self.try_it.setToolTip(
            "Search this image with what the training learnt, although it was not kept, and look at the outlines; "
            "Go back brings back the model and what was found before."
        )
        # They take turns in the same place, which is kept.
        self.more = QLabel()
        self.note, self.verdict = Brief(VERDICT_LINES, "hint"), Brief(VERDICT_LINES, "heading", self.more)
        for each in (self.note, self.verdict):
            each.keep_room(VERDICT_LINES)
        self.contradictions = Contradictions(session)
        self.show_them = button(
            "Show",
            "Go to a stroke that is still contradicted: particle where none is found, or background on one.",
            self.contradictions.next,
        )
        self.told = row([self.verdict, self._beside()], (1, 0))
        self.advice = Brief(ADVICE_LINES, "hint")
        self.advice.keep_room(ADVICE_LINES)
        self.curves = CurvePlots(session)
        self.foot = QSpacerItem(0, 0)
        self.model = ModelLine(session, self)
        self.compare = button(
            "Compare with truth…",
            "Score models, draft labels and particles against a labels layer that is right, side by side, and see where each is wrong.",
            partial(open_comparison, session),
        )
        self._learnt: Any = None  # counts of the labels that the last training had
        self._lay_out()
        self._wire()
        self._advanced()

    def _beside(self) -> QWidget:
        """What stands beside the verdict, each at its place, which is kept whether it is there or not."""
        beside = QWidget()
        column = QVBoxLayout(beside)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.show_them)
        column.addStretch(1)
        column.addWidget(self.more, 0, Qt.AlignmentFlag.AlignRight)
        self.show_them.setText("Show 99")
        beside.setFixedWidth(self.show_them.sizeHint().width())
        return beside

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        pressed = row([self.train, self.back, self.try_it], (2, 1, 1))
        budget = self.form.fields["max_seconds"].native
        budget.setFixedWidth(BUDGET_WIDTH)
        budget.setDecimals(1)
        budget.setSuffix(" s")
        start = row([QLabel("from"), self.start, QLabel("for"), budget], (0, 1))
        for widget in (self.labelling, separator(), self.live, separator(), pressed, self.note, self.told, start, self.set):
            layout.addWidget(widget)
        for widget in (self.curves, self.advice, self.curves.fold, self.form, self.model, self.compare):
            layout.addWidget(widget)
        layout.addItem(self.foot)
        layout.addStretch(1)

    def _wire(self) -> None:
        session = self.session
        for signal in (
            session.items_changed,
            session.current_changed,
            session.item_changed,
            session.classes_changed,
            session.models_changed,
            session.jobs.changed,
            session.part(Questions).changed,
            self.start.activated,
        ):
            signal.connect(self.refresh)
        self.annotator.counted.connect(self.refresh)
        session.current_changed.connect(self._show_curves)
        self.trainer.advanced.connect(self._advanced)
        self.form.changed.connect(lambda config: session.settings.set("train", config.to_dict()))
        self.form.changed.connect(self.refresh)
        self.form.complained.connect(session.say)
        self.tune.toggled.connect(partial(session.settings.set, "tune"))
        QShortcut(QKeySequence(TRAIN_KEY), self, self.train.click)

    def _train(self) -> None:
        told = self.session.part(Finder).config_of(self.session.current)
        config = replace(self.form.value(), typical_size=told.typical_size, typical_nm=told.typical_nm)
        if longer := float(self._longer):  # is 0 from the moment on that the field says as much
            self.form.fields["max_seconds"].value = longer
            config = replace(config, max_seconds=longer)
        self.trainer.train(self.start.base, config, tune=self.tune.isChecked())
        self._learnt = self.annotator.counts()

    def go_on(self, found: KeptTraining) -> None:
        """Take up a training that was stopped."""
        self.trainer.go_on(found)
        self._learnt = None

    def _go_back(self) -> None:
        self.trainer.go_back()
        self.refresh()

    def _try_it(self) -> None:
        self.trainer.try_it()
        self.refresh()

    def _advanced(self) -> None:
        trainer = self.trainer
        self._show_curves()
        # From the first moment on, so that all has its place.
        shown = trainer.running or bool(trainer.points)
        for each in (self.curves, self.curves.fold):
            each.setVisible(shown)
        # Else the end of a job, whose bar goes, would move what is above; and it gives way before any row is squeezed.
        self.foot.changeSize(0, FOOT if shown else 0, QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Maximum)
        self.refresh()

    def _show_curves(self) -> None:
        trainer = self.trainer
        self.curves.show_points(trainer.points, trainer.fresh, trainer.facts, of=trainer.elsewhere, running=trainer.running)

    def refresh(self, *_: Any) -> None:
        """Follow the session."""
        waits, busy, trainer = ready(self.annotator), self.session.jobs.running, self.trainer
        on = self.start.base in self.session.models or self.start.base in self.session.own
        again = any(item in trainer.learnt for item in self.session.items if source(item) and self.annotator.trains(item))
        longer = self._longer
        word = "Train on" if on else "Train again" if trainer.ended and again else "Train"
        self.train.setText(f"{word} for {longer} s" if longer else word)
        highlight(self.train, not waits and not busy and (bool(longer) or self.annotator.counts() != self._learnt))
        same = not waits and self.annotator.counts() == self._learnt
        why = " Its labels are those of the last training: more strokes, or more time, teach more." if same else ""
        time = f" The time allowed becomes {longer} s, which would have done for the last one; say another below." if longer else ""
        self.train.setToolTip(f"{TRAIN_TIP}{time or why}")
        self.back.set_text(f"Go back to “{trainer.earlier}”" if trainer.earlier else "Go back", "Go back")
        self.back.setToolTip(
            "Use the model that was in use before this training, and what it found, on every image that the training changed; what was "
            "corrected since is asked about; the new model stays in the list. Only on such an image, while that model is in use there."
        )
        self.try_it.setVisible(trainer.can_try)
        running = self.session.jobs.wait
        allow(self.train, waits, running)
        allow(self.back, "" if trainer.earlier else "There is no training of this image to go back from.", running)
        self.back.setVisible(bool(trainer.earlier) or not trainer.can_try)  # else the other is in its place
        allow(self.try_it, "" if trainer.can_try else "There is no training to try.", running)
        self.note.setText(f"{waits[:1].upper()}{waits[1:]}")
        verdict, advice = self.account.verdict, self.account.advice
        self.verdict.setText(verdict)
        self.verdict.setToolTip("\n\n".join(filter(None, (verdict, advice))))
        told = bool(verdict) and (trainer.running or not waits)
        self.note.setVisible(not told)
        self.told.setVisible(told)
        still = len(self.contradictions.places)
        self.show_them.setVisible(bool(trainer.contradicted))
        allow(self.show_them, "" if still else "No stroke of this image is contradicted any more.")
        self.show_them.setText(f"Show {still}")
        self.advice.setText(advice)
        self.advice.setToolTip("\n\n".join(filter(None, (advice, tuned_table(trainer.tuned)))))
        self.advice.setVisible(bool(verdict))

    @property
    def _longer(self) -> int:
        """Seconds that the last training would have needed, where its time was too short and nobody said another since; else 0."""
        enough = self.trainer.enough_seconds
        return enough if enough > float(self.form.fields["max_seconds"].value) else 0


class ModelLine(QWidget):
    """The model in use when it was made here: its name, to be changed, and a file for it."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.session = session
        self.name = QLineEdit()
        self.name.setAccessibleName("name of the model")
        self.name.setToolTip("Name of the model in use; type another one to rename it.")
        self.name.editingFinished.connect(lambda: guarded(self._rename))
        self.save = button(
            "Save model…", "Write the model in use to a .temseg file, for other images, other machines and the command line.", self._save
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row([QLabel("model"), self.name, self.save], (0, 1, 0)))
        session.models_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Follow the session."""
        self.setVisible(self._own)
        self.name.setText(self.session.model)

    @property
    def _own(self) -> bool:
        return self.session.model in self.session.models or self.session.model in self.session.own

    def _rename(self) -> None:
        if self._own and self.name.text() != self.session.model:
            try:
                self.session.rename_model(self.session.model, self.name.text())
            finally:
                self.refresh()

    def _save(self) -> None:
        name = self.session.model
        model = self.session.models.get(name) or self.session.own[name]
        path = export.ask_file(self.session, self, "Save the model", f"{name}.temseg", export.MODELS)
        if path:
            target = Path(path).with_suffix(".temseg")
            self.session.jobs.later(partial(_written, model, target), partial(self._saved, target))

    def _saved(self, path: Path, error: TemsegError | None) -> None:
        if error is not None:
            complain(error, "Save model")
        else:
            self.session.say(f"The model is in {path}.")


def _written(model: Segmenter | Path, path: Path) -> TemsegError | None:
    """In the thread of chores; where there is a model, and not only its file, torch is loaded already."""
    try:
        if isinstance(model, Path):
            with replacing(path) as temporary:
                shutil.copyfile(model, temporary)
            return None
        from napari_temseg.files.models import save

        save(model, path)
    except TemsegError as error:
        return error
    return None
