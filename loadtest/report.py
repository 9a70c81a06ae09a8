"""Writes a run as files: JSON and CSV for programs, a picture and an HTML page for people, JUnit XML for Jenkins."""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tabulate import tabulate

from loadtest import timeline
from loadtest.criteria import Criterion
from loadtest.samples import Sample


def write(
    folder: Path, title: str, samples: Sequence[Sample], criteria: Sequence[Criterion], facts: dict[str, Any]
) -> None:
    """Write report.json, samples.csv, timeline.png, report.html, junit.xml and verdict.txt.

    facts: what else the report shows.
    """
    passed = all(criterion.passed for criterion in criteria)
    content = {
        "title": title,
        "passed": passed,
        "checks": [asdict(criterion) for criterion in criteria],
        **facts,
        "samples": [sample.as_json() for sample in samples],
    }
    (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    _csv(folder / "samples.csv", samples)
    timeline.write(samples, folder / "timeline.png", headline(title, criteria))
    _html(folder / "report.html", title, criteria, facts)
    _junit(folder / "junit.xml", title, criteria)
    (folder / "verdict.txt").write_text(f"{headline(title, criteria)}\n{table(criteria)}\n", encoding="utf-8")


def headline(title: str, criteria: Sequence[Criterion]) -> str:
    """Return the verdict as one line that names the criteria that were not met."""
    failed = [criterion.name for criterion in criteria if not criterion.passed]
    return f"{title}: passed" if not failed else f"{title}: failed ({', '.join(failed)})"


def error_lines(counts: dict[str, int]) -> str:
    """Return a line per error with its count, and a remedy if the service was not reached; "" without errors."""
    lines = [f"        -> {error}: {count} time{'s' if count != 1 else ''}" for error, count in counts.items()]
    if any(re.search("refused|not known|unreachable|no route|timed out|resolve", error) for error in counts):
        lines.append("        -> the service was not reached: check --url, and that it runs")
    return "\n".join(lines)


def table(criteria: Sequence[Criterion]) -> str:
    """Return the verdict as text for a terminal; an explanation follows its criterion on a line of its own."""
    rows = [
        ("ok" if criterion.passed else "FAILED", criterion.name, criterion.observed, criterion.expected)
        for criterion in criteria
    ]
    heading, *lines = tabulate(
        rows, ("", "", "observed", "expected"), tablefmt="plain", disable_numparse=True
    ).splitlines()
    explained = [
        line if not criterion.why else f"{line}\n        -> {criterion.why}"
        for criterion, line in zip(criteria, lines, strict=True)
    ]
    return "\n".join([heading, *explained])


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


def _html(path: Path, title: str, criteria: Sequence[Criterion], facts: dict[str, Any]) -> None:
    """Write a page with the picture, a file beside it: Jenkins shows no picture that is part of a page."""
    cells = "".join(
        f"<tr class={'ok' if criterion.passed else 'failed'}><td>{'ok' if criterion.passed else 'failed'}</td>"
        + "".join(
            f"<td>{html.escape(text)}</td>"
            for text in (criterion.name, criterion.observed, criterion.expected, criterion.why)
        )
        + "</tr>"
        for criterion in criteria
    )
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{_value_html(value)}</td></tr>" for name, value in facts.items()
    )
    verdict = "passed" if all(criterion.passed for criterion in criteria) else "failed"
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
        f'<img alt="load, failures, replicas, CPU and latency over time" src="timeline.png">'
        f"<table>{rows}</table></html>\n",
        encoding="utf-8",
    )


def _value_html(value: Any) -> str:
    """Return a value as HTML; a dictionary has a line per entry."""
    if not isinstance(value, dict):
        return html.escape(str(value))
    lines = (
        f"{name}: {count:.1f}" if isinstance(count, float) else f"{name}: {count}" for name, count in value.items()
    )
    return "<br>".join(map(html.escape, lines)) or "none"


def _junit(path: Path, title: str, criteria: Sequence[Criterion]) -> None:
    failed = sum(not criterion.passed for criterion in criteria)
    suite = ElementTree.Element("testsuite", name=title, tests=str(len(criteria)), failures=str(failed))
    for criterion in criteria:
        case = ElementTree.SubElement(suite, "testcase", classname="loadtest", name=criterion.name)
        if not criterion.passed:
            message = f"{criterion.observed}, expected {criterion.expected}. {criterion.why}".strip()
            ElementTree.SubElement(case, "failure", message=message)
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
