"""Audits on disk: the sample that was drawn, and who answered what and when."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from napari_temseg.engine.measure.audit.carrying import Audit
from napari_temseg.engine.measure.audit.outcome import Answers
from napari_temseg.engine.measure.audit.sampling import AuditField, AuditParticle, AuditSample
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import json_text, write_text

AUDITS = "audits"  # the folder of the answers in the state of a run


def plain_sample(sample: AuditSample) -> dict[str, Any]:
    """As plain values, with the digest that answers name it by."""
    return {
        "sample": sample_digest(sample),
        "unit": sample.unit,
        "area": sample.area,
        "population": list(sample.population),
        "particles": [each._asdict() for each in sample.particles],
        "fields": [each._asdict() for each in sample.fields],
    }


def sample_digest(sample: AuditSample) -> str:
    """Tells one sample from another."""
    return hashlib.sha256(repr(sample).encode()).hexdigest()[:16]


def sample_of(values: dict[str, Any]) -> AuditSample:
    """Back from `plain_sample`."""
    particles = tuple(AuditParticle(**each) for each in values["particles"])
    fields = tuple(AuditField(**each) for each in values["fields"])
    return AuditSample(particles, fields, tuple(values["population"]), float(values["area"]), values["unit"])


def audit_of(sample: AuditSample, values: dict[str, Any]) -> Audit:
    """An audit from what the gallery saves; `TemsegError` for answers to another sample."""
    if values.get("sample") != sample_digest(sample):
        raise TemsegError("The answers are to another gallery than the one in this folder; answer its audit.html.")
    missed = {int(k): [(float(y), float(x), float(length)) for y, x, length in each] for k, each in values.get("missed", {}).items()}
    answers = Answers(
        str(values.get("auditor", "")),
        str(values.get("finished", "")),
        {int(number): str(each) for number, each in values.get("decisions", {}).items()},
        {int(number): float(each) for number, each in values.get("lengths", {}).items()},
        {number: [length for _, _, length in each] for number, each in missed.items()},
    )
    return Audit(sample, answers, missed)


def keep(state: Path, sample: AuditSample, values: dict[str, Any]) -> None:
    """Keep answers in the state of a run: one file an auditor and sample, whole with what they answer."""
    audit = audit_of(sample, values)
    write_text(_path(state, sample, audit.answers.auditor), json_text({**plain_sample(sample), "answers": values}, indent=1) + "\n")


def _path(state: Path, sample: AuditSample, auditor: str) -> Path:
    who = re.sub(r"[^\w-]+", "_", auditor).strip("_") or "nobody"
    return state / AUDITS / f"{who}_{sample_digest(sample)}.json"


def answers_of(state: Path, sample: AuditSample, auditor: str) -> dict[str, Any] | None:
    """What an auditor said of a sample, as it was kept; None without a file that can be read."""
    try:
        answers = json.loads(_path(state, sample, auditor).read_text(encoding="utf-8"))["answers"]
        audit_of(sample, answers)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, TemsegError):
        return None
    return dict(answers)


def kept(state: Path, contents: Collection[str] | None = None) -> list[Audit]:
    """The audits of a folder, the newest of each auditor, oldest first; files that cannot be read are passed over.

    With `contents`, only those of pictures among these content hashes.
    """
    found: dict[str, Audit] = {}
    for path in sorted((state / AUDITS).glob("*.json")):
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            audit = audit_of(sample_of(values), values["answers"])
        except (OSError, ValueError, KeyError, TypeError, TemsegError):
            continue
        if contents is not None and not {each.content_hash for each in audit.sample.particles} & set(contents):
            continue
        before = found.get(audit.answers.auditor)
        if before is None or before.answers.finished < audit.answers.finished:
            found[audit.answers.auditor] = audit
    return sorted(found.values(), key=lambda audit: audit.answers.finished)
