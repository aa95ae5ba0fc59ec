"""Turns: so many at a time, in order, and a block that hangs holds nobody up for long."""

import asyncio

import pytest
from fumehood.runner.turns import Turns


def test_turns_are_limited_and_in_order():
    async def scenario():
        turns = Turns(1)
        order = []
        inside = 0

        async def work(name):
            nonlocal inside
            async with turns.turn():
                inside += 1
                assert inside == 1
                order.append(name)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(work(number) for number in range(5)))
        return order

    assert asyncio.run(scenario()) == [0, 1, 2, 3, 4]


def test_a_turn_that_hangs_counts_no_longer_and_ends_without_giving_back_twice():
    async def scenario():
        turns = Turns(1)
        hang = asyncio.Event()

        async def hanging():
            async with turns.turn():
                await hang.wait()

        task = asyncio.create_task(hanging())
        await asyncio.sleep(0)
        async with asyncio.timeout(30), turns.turn():
            hang.set()
            await task
            async with asyncio.timeout(30):
                second = asyncio.create_task(turns.turn().__aenter__())
                await asyncio.sleep(0)
                assert not second.done(), "the turn that had run out was given back once"
                second.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await second

    asyncio.run(scenario())


def test_a_turn_ends_with_an_error_and_with_a_cancellation():
    async def scenario():
        turns = Turns(1)
        with pytest.raises(ZeroDivisionError):
            async with turns.turn():
                raise ZeroDivisionError
        task = asyncio.create_task(turns.turn().__aenter__())
        await asyncio.sleep(0)
        assert task.done()

    asyncio.run(scenario())
