"""What is counted is declared, stays small, and is told to nobody it does not concern."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families as families

from core import metrics
from core.metrics import TABLE, Metric
from core.series import LONGEST_VALUE, Metrics

ROOT = Path(__file__).parents[2]
CALLS = {"count": "counter", "observe": "histogram", "gauge": "gauge", "clear": "gauge"}


def shown(found: Metrics | None = None) -> dict[tuple[str, ...], float]:
    """Name and label values (by the labels' names) -> value, as Prometheus reads it."""
    text = (found.text() if found else metrics.text()).decode()
    return {
        (sample.name.removeprefix("switchboard_"), *sample.labels.values()): sample.value
        for family in families(text)
        for sample in family.samples
    }


def test_what_was_counted_is_on_the_page():
    found = Metrics()
    found.count("events_total", channel="team", outcome="answered")
    found.count("events_total", outcome="answered", channel="team")
    found.count("model_tokens_total", 120, model="default", kind="prompt")
    assert shown(found)["events_total", "team", "answered"] == 2
    assert shown(found)["model_tokens_total", "prompt", "default"] == 120


def test_a_measured_time_falls_into_its_buckets():
    found = Metrics()
    found.observe("first_word_seconds", 0.4)
    found.observe("first_word_seconds", 99)
    page = shown(found)
    assert page["first_word_seconds_bucket", "0.3"] == 0
    assert page["first_word_seconds_bucket", "0.5"] == 1
    assert page["first_word_seconds_bucket", "+Inf"] == 2
    assert page["first_word_seconds_count",] == 2


def test_a_channel_that_is_gone_is_shown_no_more_and_may_come_back():
    found = Metrics()
    found.gauge("channel_up", 1, channel="team")
    found.clear("channel_up")
    found.clear("channel_up")
    assert ("channel_up", "team") not in shown(found)
    found.gauge("channel_up", 0, channel="team")
    assert shown(found)["channel_up", "team"] == 0


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("events", {"channel": "team", "outcome": "answered"}),
        ("events_total", {"channel": "team"}),
        ("events_total", {"channel": "team", "outcome": "answered", "user": "U1"}),
        ("turn_seconds", {}),
    ],
)
def test_what_is_not_declared_is_never_made(name, labels):
    found = Metrics()
    before = shown(found).keys()
    with pytest.raises(ValueError, match=name):
        found.count(name, **labels)
    assert shown(found).keys() == before


def test_a_label_with_ever_new_values_fills_no_memory():
    found = Metrics({"silences_total": Metric("counter", "…", ("reason",))}, most_series=3)
    for number in range(10):
        found.count("silences_total", reason=f"reason {number}" + "!" * 500)
    page = {labels: value for labels, value in shown(found).items() if labels[0] == "silences_total"}
    assert len(page) == 4
    assert page["silences_total", "other"] == 7
    assert len(found._series) == 3
    assert all(len(value) <= LONGEST_VALUE for _, value in page)


def test_no_label_names_a_person_or_a_place():
    personal = {"user", "account", "person", "room", "thread", "conversation", "session", "event", "text"}
    assert not personal & {label for metric in TABLE.values() for label in metric.labels}
    assert all(metric.help.endswith(".") for metric in TABLE.values())


def calls() -> Iterator[tuple[str, ast.Call]]:
    for file in ROOT.glob("*/**/*.py"):
        if file.parts[len(ROOT.parts)] not in ("core", "bots", "web"):
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="metrics"), attr=attr)) if attr in CALLS:
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def test_whatever_the_hub_counts_is_declared_with_these_labels():
    for place, call in calls():
        name = call.args[0].value if isinstance(call.args[0], ast.Constant) else ""
        assert name in TABLE, f"{place}: there is no metric {name!r}"
        labels = () if call.func.attr == "clear" else TABLE[name].labels
        assert {keyword.arg for keyword in call.keywords} == set(labels), place
        assert CALLS[call.func.attr] == TABLE[name].kind, place


@pytest.fixture
async def served():
    async def serve(token: str = "", **more) -> TestClient:
        app = web.Application()
        app.add_routes(metrics.routes(token, **more))
        client = TestClient(TestServer(app))
        await client.start_server()
        opened.append(client)
        return client

    opened: list[TestClient] = []
    yield serve
    for client in opened:
        await client.close()


async def test_the_page_is_what_prometheus_reads(served):
    async def refresh() -> None:
        metrics.gauge("dead_letters", 3)

    answer = await (await served(refresh=refresh)).get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert "switchboard_dead_letters 3.0" in await answer.text()


@pytest.mark.parametrize(
    "headers", [{"X-Forwarded-For": "203.0.113.7"}, {"Host": "hub.example"}, {"Via": "1.1 proxy"}, {"Host": "[::1"}]
)
async def test_without_a_token_nobody_reads_it_from_elsewhere(served, headers):
    answer = await (await served()).get("/metrics", headers=headers)
    assert answer.status in (400, 404)


async def test_a_hub_that_others_can_reach_tells_nobody_without_a_token(served):
    assert (await (await served(is_private=False)).get("/metrics")).status == 404


async def test_with_a_token_only_its_holder_reads_it(served):
    client = await served("not-a-real-token", is_private=False)
    assert (await client.get("/metrics")).status == 404
    assert (await client.get("/metrics", headers={"Authorization": "Bearer wrong ü"})).status == 404
    through_proxy = {"Authorization": "Bearer not-a-real-token", "Via": "1.1 proxy", "Host": "hub.example"}
    assert (await client.get("/metrics", headers=through_proxy)).status == 200
