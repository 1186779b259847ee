"""The texts whose keeping is weighed are 1 KB each and differ, and what lies in a folder is counted."""

from __future__ import annotations

from bench.keeping import TEXT_BYTES, append, checkpoint, folder_bytes, text_of
from bench.scale import TINY


async def test_each_turn_writes_1_kb_that_no_other_turn_wrote():
    texts: list[str] = []
    for _ in range(20):
        texts += (await append({"texts": texts}))["texts"]
    assert [TEXT_BYTES] * 20 == [len(text.encode()) for text in texts]
    assert 20 == len(set(texts))
    assert text_of(0) == texts[0]


async def test_the_text_alone_is_what_nobody_can_beat():
    async with checkpoint(TINY) as sample:
        assert {"stored": TINY.appends * TEXT_BYTES / 1000} == await sample()


def test_the_bytes_of_a_folder_are_those_of_its_files(tmp_path):
    (tmp_path / "runs.db").write_bytes(b"12345")
    (tmp_path / "runs.db-wal").write_bytes(b"123")
    assert 8 == folder_bytes(str(tmp_path))
