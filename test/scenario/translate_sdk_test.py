#!/usr/bin/env python3
# venv
"""TranslatorService and the SDK: what the SDK encodes comes back from a launch form, and from values, as it was."""
import asyncio
import dataclasses
import datetime
import enum
import typing

from flyte.types import TypeEngine
from flyteidl2.core.literals_pb2 import Literal
from google.protobuf.json_format import MessageToDict, ParseDict
from harness import Server, check
from pydantic import BaseModel

TRANSLATOR = "flyteidl2.workflow.TranslatorService"
UTC = datetime.timezone.utc


@dataclasses.dataclass
class Inner:
    x: typing.List[float]


@dataclasses.dataclass
class Outer:
    a: int
    b: float
    inner: Inner
    opt: typing.Optional[int] = None


class Point(BaseModel):
    q: float


class Model(BaseModel):
    n: int
    point: Point
    points: typing.List[Point] = []
    outer: typing.Optional[Outer] = None


class Color(enum.Enum):
    RED = "red"


OUTER = Outer(2**60 + 1, 2.0, Inner([1.0, 2.5]), 3)
CASES = [
    (int, 2**53 + 1), (float, 2.0), (bool, True), (str, "x"), (Color, Color.RED),
    (datetime.datetime, datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)),
    (datetime.timedelta, datetime.timedelta(seconds=1.5)),
    (typing.Optional[int], None), (typing.Optional[int], 5),
    (typing.Union[int, float], 2.0), (typing.Union[int, float], 2), (typing.Union[str, Outer], OUTER),
    (dict, {"a": 1, "b": [1.5, None]}), (typing.Dict[str, int], {"a": 2**60 + 1}),
    (typing.List[typing.Optional[str]], ["a", None]),
    (Outer, OUTER), (typing.List[Outer], [OUTER]),
    (Model, Model(n=2**60 + 1, point=Point(q=2), points=[Point(q=3)], outer=OUTER)),
]


async def round_trip(server, kind, value):
    literal_type = TypeEngine.to_literal_type(kind)
    literal = MessageToDict(await TypeEngine.to_literal(value, kind, literal_type))
    variables = {"variables": [{"key": "x", "value": {"type": MessageToDict(literal_type)}}]}
    form = server.call(TRANSLATOR, "LiteralsToLaunchFormJson",
                       {"variables": variables, "literals": [{"name": "x", "value": literal}]})["json"]
    shown = form["properties"]["x"]["default"]
    for method, message in (("LaunchFormJsonToLiterals", {"json": form}),
                            ("JsonValuesToLiterals", {"variables": variables, "values": {"x": shown}})):
        back = server.call(TRANSLATOR, method, message)["literals"][0]["value"]
        got = await TypeEngine.to_python_value(ParseDict(back, Literal()), kind)
        # Values alone do not tell a 2.0 from a 2; a form does.
        same = got == value and (type(got) is type(value) or method == "JsonValuesToLiterals")
        check(same, f"{method}, {kind}: {value!r} came back as {got!r}; form {form}")


async def main(server):
    for kind, value in CASES:
        await round_trip(server, kind, value)


with Server() as one:
    asyncio.run(main(one))
