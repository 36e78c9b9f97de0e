"""The Grafana dashboard asks for what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from libs.common.store.decorators.metered import Timing
from libs.common.telemetry.metrics import Metrics
from libs.common.telemetry.store_timings import StoreTimings

DASHBOARD = json.loads((Path(__file__).parents[2] / "deploy" / "grafana" / "llmchat.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]


def known() -> dict[str, set[str]]:
    """By its name in expressions: the labels of each sample that a process may tell."""
    metrics = Metrics()
    timings = StoreTimings(metrics.registry)
    timings.add("threads", lambda: {("get", "threads"): Timing(1, 0.1)})
    found: dict[str, set[str]] = {}
    for instrument in vars(metrics).values():
        labels = set(getattr(instrument, "_labelnames", ()))
        for suffix in ("", "_total", "_bucket", "_count", "_sum"):
            found[f"{getattr(instrument, '_name', '')}{suffix}"] = labels | {"le"}
    for family in timings.collect():
        found |= {sample.name: set(sample.labels) for sample in family.samples}
    return found


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_asks_for_samples_and_labels_that_there_are(panel: dict[str, Any]) -> None:
    samples = known()
    for target in panel["targets"]:
        names = re.findall(r"llmchat_\w+", target["expr"])
        grouped = re.findall(r"by \(([^)]*)\)", target["expr"])
        labels = {label.strip() for group in grouped for label in group.split(",")}
        labels |= set(re.findall(r"[{,]\s*(\w+)\s*[=!]", target["expr"]))

        assert names
        for name in names:
            assert name in samples
            assert labels <= samples[name]


def test_the_figures_that_matter_are_first() -> None:
    first = [panel["title"] for panel in PANELS[:4]]

    assert first == ["Calls: p95", "Error rate", "Cache hit rate", "Events waiting"]
    limit = PANELS[0]["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]
    assert limit == {"color": "red", "value": 0.1}
