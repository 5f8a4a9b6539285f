"""A parent that calls ten children at the same time and adds up what they return.

    flyte -c mayfly-data/flyte.yaml run examples/fanout.py main --n 10
"""
import asyncio

import flyte

env = flyte.TaskEnvironment("fanout")


@env.task
async def square(i: int) -> int:
    print(f"{i} squared is {i * i}", flush=True)
    return i * i


@env.task
async def main(n: int = 10) -> int:
    squares = await asyncio.gather(*[square(i) for i in range(n)])
    print(f"the squares: {squares}", flush=True)
    return sum(squares)
