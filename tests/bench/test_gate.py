"""A gate is full when all have arrived, and lets nobody through before it is opened."""

from __future__ import annotations

import asyncio

from bench.gate import Gate


async def test_a_gate_is_full_with_the_last_and_lets_all_go_together_as_often_as_it_is_closed():
    gate = Gate(3)
    for _ in range(2):
        gate.close()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(gate.enter()) for _ in range(2)]
            await asyncio.sleep(0)
            assert not gate.full.is_set()
            tasks.append(group.create_task(gate.enter()))
            await gate.full.wait()
            assert not any(task.done() for task in tasks)
            gate.open.set()
        assert all(task.done() for task in tasks)
