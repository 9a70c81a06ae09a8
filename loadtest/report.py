"""A run as files: JSON and CSV for machines, a picture, one page of HTML for people, and JUnit's XML for Jenkins."""

from __future__ import annotations

import base64
import csv
import html
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from loadtest import picture
from loadtest.verdict import Check
from loadtest.watch import Sample


def write(folder: Path, title: str, samples: Sequence[Sample], checks: Sequence[Check], about: dict[str, Any]) -> None:
    """Write report.json, samples.csv, timeline.png, report.html and junit.xml. about: what else the report says."""
    passed = all(check.passed for check in checks)
    content = {
        "title": title,
        "passed": passed,
        "checks": [asdict(check) for check in checks],
        **about,
        "samples": [sample.plain() for sample in samples],
    }
    (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    _csv(folder / "samples.csv", samples)
    picture.timeline(samples, folder / "timeline.png", headline(title, checks))
    _html(folder / "report.html", title, checks, about, folder / "timeline.png")
    _junit(folder / "junit.xml", title, checks)


def headline(title: str, checks: Sequence[Check]) -> str:
    """Return the verdict in a line, with the checks that failed."""
    failed = [check.name for check in checks if not check.passed]
    return f"{title}: passed" if not failed else f"{title}: failed ({', '.join(failed)})"


def errors(counts: dict[str, int]) -> str:
    """Lay out for a person what went wrong and how often, with a remedy where nobody was reached; "" for nothing."""
    lines = [f"        -> {error}: {count} time{'s' if count != 1 else ''}" for error, count in counts.items()]
    if any(re.search("refused|not known|unreachable|no route|timed out|resolve", error) for error in counts):
        lines.append("        -> the service was not reached: check --url, and that it runs")
    return "\n".join(lines)


def table(checks: Sequence[Check]) -> str:
    """Lay the verdict out for a person."""
    rows = [("", "", "observed", "expected")]
    rows += [("ok" if check.passed else "FAILED", check.name, check.observed, check.expected) for check in checks]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    whys = {check.name: f"{'':{widths[0]}}  -> {check.why}" for check in checks if check.why}
    return "\n".join(line for row, text in zip(rows, lines, strict=True) for line in (text, whys.get(row[1])) if line)


def _csv(path: Path, samples: Sequence[Sample]) -> None:
    columns = ("second", "stage", "users", "requests", "failures", "rate", "p50_ms", "p95_ms")
    scaler = ("current", "desired", "cpu_percent")
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*columns, *scaler, "ready", "pods_millicores"])
        for sample in samples:
            row = [getattr(sample, name) for name in columns]
            row += [getattr(sample.autoscaler, name, None) for name in scaler]
            used = sum(pod.millicores or 0.0 for pod in sample.pods.values())
            writer.writerow([*row, len(sample.pods), round(used, 1)])


def _html(path: Path, title: str, checks: Sequence[Check], about: dict[str, Any], image: Path) -> None:
    """Write one file that needs no other: the picture is in it."""
    cells = "".join(
        f"<tr class={'ok' if check.passed else 'failed'}><td>{'ok' if check.passed else 'failed'}</td>"
        + "".join(f"<td>{html.escape(text)}</td>" for text in (check.name, check.observed, check.expected, check.why))
        + "</tr>"
        for check in checks
    )
    said = {name: _said(value) for name, value in about.items()}
    facts = "".join(f"<tr><td>{html.escape(name)}</td><td>{value}</td></tr>" for name, value in said.items())
    encoded = base64.b64encode(image.read_bytes()).decode()
    verdict = "passed" if all(check.passed for check in checks) else "failed"
    style = (
        "body{font:15px sans-serif;margin:2em auto;max-width:70em}td{padding:.3em .8em;border-top:1px solid #ddd}"
        "table{border-collapse:collapse;margin:1em 0}th{text-align:left;padding:.3em .8em}"
        "td{vertical-align:top}.ok td:first-child{color:#070}.failed td:first-child{color:#b00}"
        "img{max-width:100%}"
    )
    path.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title><style>{style}</style>"
        f"<h1>{html.escape(title)}: {verdict}</h1>"
        f"<table><tr><th></th><th></th><th>observed</th><th>expected</th><th></th></tr>{cells}</table>"
        f'<img alt="load, failures, replicas, CPU and latency over time" src="data:image/png;base64,{encoded}">'
        f"<table>{facts}</table></html>\n",
        encoding="utf-8",
    )


def _said(value: Any) -> str:
    """Return a fact as HTML; a table of figures a line each."""
    if not isinstance(value, dict):
        return html.escape(str(value))
    lines = (
        f"{name}: {count:.1f}" if isinstance(count, float) else f"{name}: {count}" for name, count in value.items()
    )
    return "<br>".join(map(html.escape, lines)) or "none"


def _junit(path: Path, title: str, checks: Sequence[Check]) -> None:
    failed = sum(not check.passed for check in checks)
    suite = ElementTree.Element("testsuite", name=title, tests=str(len(checks)), failures=str(failed))
    for check in checks:
        case = ElementTree.SubElement(suite, "testcase", classname="loadtest", name=check.name)
        if not check.passed:
            said = f"{check.observed}, expected {check.expected}. {check.why}".strip()
            ElementTree.SubElement(case, "failure", message=said)
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
