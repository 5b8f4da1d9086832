"""audit: the answers of an auditor enter the report of a run."""

from __future__ import annotations

import argparse
from typing import Any

from napari_temseg.cli.console import report
from napari_temseg.cli.options import folder


def add_audit(commands: Any) -> argparse.ArgumentParser:
    """`temseg audit`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "audit",
        help="take the answers to audit.html of a run into its report",
        description="“temseg run” writes audit.html, from 20 particles on and where all images are in nm or all in px: "
        "100 particles to be measured blind and then judged by keys, and 20 fields to be "
        "searched for missed ones. Its button saves the answers, which this command takes: precision, recall by size, agreement of "
        "diameters and the corrected D50 go into report and summary.json, with name and date. Audits of several people are all kept.",
    )
    parser.add_argument("run", type=folder, metavar="DIR", help="the folder of the run")
    parser.add_argument("answers", nargs="+", metavar="ANSWERS.json", help="what audit.html saved")
    parser.set_defaults(function=audit)
    return parser


def audit(args: argparse.Namespace) -> int:
    """Keep the answers and write the report anew."""
    from napari_temseg.pipeline.audit.taken import take_answers
    from napari_temseg.pipeline.report.sheet import audit_words, corrected

    summary, told = take_answers(args.run, args.answers)
    unit = next((sizes.unit for sizes in told.sizes.values()), "px")
    better = corrected(told.summary["audit"], unit)
    lines = audit_words(told.summary["audit"], unit)
    if better:
        lines.append(f"D50 corrected by the audit: {better['value']} {better['expanded']}. {better['interval']}")
    report(args, "\n".join([*lines, f"Report: {args.run / 'report.html'}"]), {"audit": summary["audit"]})
    return 0
