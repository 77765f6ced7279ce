"""``stratarouter demo --llm``: what it shows, and what it says without its extra."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from stratarouter_runtime.cli import main
from stratarouter_runtime.demo.models import run_models, scene_table, story

if TYPE_CHECKING:
    import pytest


def test_every_scene_is_answered_and_both_bills_are_the_same() -> None:
    report = run_models()
    scenes = report.scenes

    assert report.holds
    assert [scene.route_id for scene in scenes] == [
        "invoices",
        "invoices",
        "refunds",
        "parcels",
        "advice",
    ]
    assert [scene.provider for scene in scenes] == ["cloud", "cloud", "spare", "spare", "spare"]
    assert [scene.attempts for scene in scenes] == [3, 0, 5, 2, 1]
    assert scenes[1].cost_usd == 0.0
    assert all(scene.cost_usd for scene in scenes if scene.attempts)
    assert "|" in scenes[4].response
    assert "budget 'ann'" in report.refusal
    assert report.calls == 11
    title, header, rows = scene_table(report)
    assert title
    assert all(len(row) == len(header) for row in rows)
    assert "the same" in story(report)


def test_the_command_prints_tables_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--llm", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["holds"] is True
    assert data["billed_usd"] == data["spent_usd"]

    assert main(["demo", "--llm"]) == 0
    text = capsys.readouterr().out
    assert "two 503s, so it is asked again" in text
    assert "What was said" in text


def test_without_its_extra_the_command_says_which(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)

    assert main(["demo", "--llm"]) == 2
    assert "pip install 'stratarouter[local]'" in capsys.readouterr().err
