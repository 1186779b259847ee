"""What readers ask for beside events, on a real server: text by its offset."""

from __future__ import annotations

import threading

import pytest

from tests.server.served import UNKNOWN, reading, serving

MESSAGE = "node:1/text"


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


def text(served, run, **params):
    return served.http.get(f"/v1/runs/{run}/text", params={"message": MESSAGE, **params})


def units(part):
    return part.encode("utf-16-le")


def test_text_is_read_from_any_offset(served):
    run = served.start(count=3)
    served.whole(run)
    whole = "".join(f"word {number} 🌊 " for number in range(3))
    for offset in range(len(units(whole)) // 2 + 1):
        told = text(served, run, offset=offset).json()
        assert told["offset"] in (offset, offset - 1)
        assert units(whole)[2 * told["offset"] :] == units(told["text"])
        assert (True, False, len(units(whole)) // 2) == (told["done"], told["voided"], told["next"])


def test_a_reader_that_keeps_only_text_gets_all_of_it_live(served):
    run, has, place, attempt = served.start(count=200), "", 0, 1
    while True:
        told = text(served, run, offset=len(units(has)) // 2, attempt=attempt, after=place, wait=5).json()
        has = units(has)[: 2 * told["offset"]].decode("utf-16-le") + told["text"]
        place, attempt = told["place"], told["attempt"]
        if told["done"]:
            break
    assert "".join(f"word {number} 🌊 " for number in range(200)) == has


def test_text_of_a_message_that_is_still_to_come_is_waited_for(served):
    run = served.start("hold", count=1)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(text(served, run, wait=30)))
    waiting.start()
    with reading(served, run) as blocks:
        next(block for block in blocks if '"run.interrupted"' in block.data)
    while not served.app.state.riverrun.statistics()["readers"]:
        pass  # it is on its way
    served.http.post(f"/v1/runs/{run}/resume", json={"answer": None})
    waiting.join(timeout=10)
    assert (200, "word 0 🌊 ") == (answers[0].status_code, answers[0].json()["text"])


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"message": "nothing"}, 404, "E2026"),
        ({"message": ""}, 422, "E2002"),
        ({"offset": -1}, 422, "E2002"),
        ({"offset": 1000}, 410, "E2025"),
        ({"attempt": 0}, 422, "E2002"),
        ({"after": "x"}, 400, "E2007"),
        ({"after": 1000}, 410, "E2006"),
        ({"after": "ffffffff.1"}, 410, "E2008"),
        ({"wait": 61}, 422, "E2002"),
        ({"wait": "nan"}, 422, "E2002"),
    ],
)
def test_what_cannot_be_given_is_refused_with_its_code(served, params, status, code):
    run = served.start(count=1)
    served.whole(run)
    answer = text(served, run, **params)
    assert (status, code) == (answer.status_code, answer.json()["code"])


def test_the_text_of_no_run_is_not_there(served):
    assert (404, "E2005") == ((answer := text(served, UNKNOWN)).status_code, answer.json()["code"])


def test_text_is_not_waited_for_longer_than_asked(served):
    run = served.start("wait")
    answer = text(served, run, wait=0.05)
    assert (404, "E2026") == (answer.status_code, answer.json()["code"])
    served.http.post(f"/v1/runs/{run}/stop")
