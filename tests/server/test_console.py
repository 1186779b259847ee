"""The console's files: what is served below `/console`, how, to whom, and what is said when there are none."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from riverrun.server import Principal, create_app
from riverrun.server.console import Console
from riverrun.server.settings import load
from tests.server.served import GRAPHS

PAGE = '<!doctype html><html><head><base href="./" /></head><body><div id="root"></div></body></html>'
SCRIPT = "console.log('the river');" * 100
NAME = "assets/index-AbC123_-.js"


@pytest.fixture
def folder(tmp_path):
    """What a build leaves behind."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "mark.svg").write_text("<svg/>")
    (tmp_path / NAME).write_text(SCRIPT)
    return tmp_path


def reached(app, **options):
    """A client that speaks to a program directly, and takes no packed bodies unless it says so."""
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1), **options)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers={"accept-encoding": "identity"})


def alone(folder):
    async def rest(scope, receive, send):
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"the rest"})

    return Console(rest, Path(folder))


@pytest.mark.parametrize(
    ("path", "up"),
    [("/console/", "./"), ("/console/start", "./"), ("/console/runs/abc", "../"), ("/console/a/b/c", "../../")],
)
async def test_a_place_in_the_page_is_the_page_which_knows_where_its_files_are(folder, path, up):
    async with reached(alone(folder)) as http:
        answer = await http.get(path)
    assert (200, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert PAGE.replace("./", up) == answer.text
    assert "no-store" == answer.headers["cache-control"]


async def test_a_hashed_file_is_kept_for_ever_and_any_other_is_asked_for_again(folder):
    async with reached(alone(folder)) as http:
        hashed, plain = await http.get(f"/console/{NAME}"), await http.get("/console/mark.svg")
    assert SCRIPT == hashed.text
    assert "text/javascript; charset=utf-8" == hashed.headers["content-type"]
    assert "public, max-age=31536000, immutable" == hashed.headers["cache-control"]
    assert ("image/svg+xml", "no-cache") == (plain.headers["content-type"], plain.headers["cache-control"])


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip, deflate, br", True), ("gzip;q=0.5", True), ("gzip;q=0", False), ("identity", False), ("", False)],
)
async def test_a_file_is_packed_for_who_takes_it(folder, accepted, packed):
    async with reached(alone(folder)) as http:
        request = http.build_request("GET", f"/console/{NAME}", headers={"accept-encoding": accepted})
        answer = await http.send(request, stream=True)
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert packed == ("content-encoding" in answer.headers)
    assert SCRIPT == (gzip.decompress(raw) if packed else raw).decode()
    assert "accept-encoding" == answer.headers["vary"]


async def test_everything_that_is_served_lets_nothing_in_from_elsewhere(folder):
    async with reached(alone(folder)) as http:
        for path in ("/console/", f"/console/{NAME}", "/console/mark.svg"):
            headers = (await http.get(path)).headers
            policy = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
            assert "'none'" == policy.pop("default-src")
            assert {"'self'", "'none'"} == set(policy.values())
            assert {"script-src", "style-src", "connect-src", "frame-ancestors", "base-uri"} <= set(policy)
            assert ("nosniff", "DENY", "no-referrer") == (
                headers["x-content-type-options"],
                headers["x-frame-options"],
                headers["referrer-policy"],
            )


async def test_the_bare_path_leads_into_the_folder_whatever_stands_in_front_of_it(folder):
    async with reached(alone(folder)) as http:
        answer = await http.get("/console?theme=dark")
    assert (307, "console/?theme=dark") == (answer.status_code, answer.headers["location"])


@pytest.mark.parametrize(
    "name", ["assets/gone-12345678.js", "manifest.json", "index.html", "%2e%2e/app.py", "assets/%2e%2e/%2e%2e/x.py"]
)
async def test_a_file_that_is_not_there_is_never_the_page(folder, name):
    async with reached(alone(folder)) as http:
        answer = await http.get(f"/console/{name}")
    assert (404, "E2011") == (answer.status_code, answer.json()["code"])


async def test_only_reading_is_possible(folder):
    async with reached(alone(folder)) as http:
        refused, head = await http.post("/console/", json={}), await http.head("/console/")
    assert (405, "GET, HEAD", "E2011") == (refused.status_code, refused.headers["allow"], refused.json()["code"])
    assert 200 == head.status_code


@pytest.mark.parametrize("path", ["/", "/consoles", "/v1/runs", "/v1/console/", "/Console/"])
async def test_what_is_not_below_its_path_is_passed_on(folder, path):
    async with reached(alone(folder)) as http:
        assert 299 == (await http.get(path)).status_code


async def test_a_browser_that_opens_the_bare_address_is_led_to_the_page(folder):
    async with reached(alone(folder)) as http:
        opened = await http.get("/", headers={"accept": "text/html,application/xhtml+xml;q=0.9"})
        others = [await http.post("/", headers={"accept": "text/html"}), await http.get("/", headers={"accept": "*/*"})]
    assert (307, "console/") == (opened.status_code, opened.headers["location"])
    assert [299, 299] == [answer.status_code for answer in others]


async def test_an_installation_without_the_files_says_so_and_how_to_mend_it(tmp_path):
    async with reached(alone(tmp_path / "nothing")) as http:
        answer = await http.get("/console/")
    assert (404, "E6008") == (answer.status_code, answer.json()["code"])
    assert "make console" in answer.json()["mend"]


async def test_mounted_in_another_program_it_is_below_the_mount(folder):
    host = FastAPI()
    host.mount("/agents", alone(folder))
    async with reached(host) as http:
        page, script = await http.get("/agents/console/runs/x"), await http.get(f"/agents/console/{NAME}")
    assert (200, 200) == (page.status_code, script.status_code)
    assert re.search(r'<base href="../" />', page.text)


# --- who may have it ---


async def test_a_server_has_it_unless_it_is_told_not_to():
    for wanted in (True, False):
        app = create_app(GRAPHS, store="memory:", settings=load(console=wanted))
        async with reached(app) as http:
            answer = await http.get("/console/")
        # It may not be built here; that is another answer than that there is no such path.
        assert wanted is (answer.status_code == 200 or answer.json()["code"] == "E6008")


async def test_the_guard_stands_before_it():
    app = create_app(GRAPHS, store="memory:", settings=load())
    async with reached(app) as http:
        foreign = await http.get("/console/", headers={"origin": "https://elsewhere.example"})
    assert (403, "E2014") == (foreign.status_code, foreign.json()["code"])


async def test_a_server_with_keys_shows_the_page_to_anybody_and_runs_to_nobody():
    app = create_app(GRAPHS, store="memory:", settings=load(keys="secret:acme"))
    async with reached(app) as http:
        page, runs = await http.get("/console/"), await http.get("/v1/runs")
    assert page.status_code != 401
    assert (401, "E2017") == (runs.status_code, runs.json()["code"])


async def test_whoever_knows_people_in_another_way_is_asked_before_the_page():
    async def by_cookie(connection):
        return Principal("acme") if connection.cookies.get("who") == "me" else None

    app = create_app(GRAPHS, store="memory:", settings=load(), authenticate=by_cookie)
    async with reached(app) as http:
        nobody = await http.get("/console/")
        known = await http.get("/console/", headers={"cookie": "who=me"})
    assert 401 == nobody.status_code
    assert known.status_code != 401
