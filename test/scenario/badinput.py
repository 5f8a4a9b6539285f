"""Table tests of bad input: for one RPC a request that is good, and what happens when each of its fields is not.

    table = Table(server, TASKS, "DeployTask", good)
    table.check({
        "taskId":         {"missing": BAD},
        "taskId.name":    {"missing": BAD, "empty": BAD, "long": (256, BAD)},
        "taskId.version": {"missing": BAD, "empty": BAD, "long": (64, BAD)},
        "triggers[0].spec.active": {"missing": FINE},
        "state":          {"missing": FINE, "enum": BAD},
    }, skip={"spec.taskTemplate": "covered by create_test"})
    table.refuse({"taskId.project": "nobody"}, "not_found", "nobody")

What is done to a field: `missing` (left out), `empty` ("" or {} or []), `long` (so many bytes), `enum` (a number and a name
that the enum does not have); a wrong JSON kind is tried for every field by itself. The outcome is FINE (not sent, as it
would change the store; the good case has its test elsewhere), BAD (invalid_argument naming the field), a code, or
(code, word that the message holds). Every field of the good request has to have its row, or a prefix in skip with the
reason. After each refusal the database and the objects are byte for byte what they were; `quiet` names tables that may
change by themselves.
"""
import copy
import functools
import hashlib
import re
import sqlite3

from harness import CallError, check

FINE = None
BAD = "invalid_argument"

# Annotations of a trigger's run specification that are no policy of a schedule, and what the refusal says.
BAD_POLICIES = [
    ("schedule.mayfly/catch-up", "some", "must be all, latest or none"),
    ("schedule.mayfly/catch-up-window", "1 day", "must be a duration"),
    ("schedule.mayfly/catch-up-window", "9000h", "must be a duration from 1s to 8784h"),
    ("schedule.mayfly/overlap", "", "must be allow, skip"),
    ("schedule.mayfly/jitter", "25h", "up to 24h"),
    ("schedule.mayfly/end-time", "soon", "must be a time"),
    ("schedule.mayfly/max-runs", "0", "must be a number"),
    ("schedule.mayfly/pause-after-failures", "x" * 5000, "must be a number"),
    ("schedule.mayfly/" + "x" * 5000, "all", "is not known"),
    ("schedule.mayfly/", "all", "is not known"),
]


def snake(name):
    return re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), name)


def steps_of(path):
    """taskId.names[0] as ["taskId", "names", 0]."""
    return [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]


def field_of(path):
    """The last name of the path, as the protocol spells it."""
    return snake([step for step in steps_of(path) if isinstance(step, str)][-1])


def paths_of(message, prefix=""):
    """Every field that is set, from the outside in; of a list only the first item."""
    for name, value in message.items():
        path = f"{prefix}.{name}" if prefix else name
        yield path, value
        if isinstance(value, dict):
            yield from paths_of(value, path)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from paths_of(value[0], path + "[0]")


def changed(message, path, change):
    """A copy in which change(container, key) was made at the path."""
    result = copy.deepcopy(message)
    container, steps = result, steps_of(path)
    for step in steps[:-1]:
        if isinstance(container, dict):
            container = container.setdefault(step, {})
        else:
            container = container[step]
    change(container, steps[-1])
    return result


def replaced(message, path, value):
    return changed(message, path, lambda container, key: container.__setitem__(key, value))


def without(message, path):
    return changed(message, path, lambda container, key: container.pop(key))


def store_digest(server, quiet=()):
    """Of all rows of all tables, and of all objects."""
    digest = hashlib.sha256()
    if server.database:
        for row in server.sql(tables_query(server, quiet)):
            digest.update(repr(row).encode())
        add_objects(digest, server)
        return digest.hexdigest()
    database = sqlite3.connect(f"file:{server.data / 'mayfly.db'}?mode=ro", uri=True, timeout=30)
    try:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        for name in names:
            if name in quiet:
                continue
            rows = sorted(map(repr, database.execute(f"SELECT * FROM {name}")))
            digest.update(f"{name} {len(rows)}\n".encode())
            for row in rows:
                digest.update(row.encode())
    finally:
        database.close()
    add_objects(digest, server)
    return digest.hexdigest()


def add_objects(digest, server):
    for path in sorted((server.data / "objects").rglob("*")):
        if path.is_file():
            digest.update(str(path).encode() + path.read_bytes())


@functools.cache
def tables_query(server, quiet):
    """One that gives a digest of each table of PostgreSQL's."""
    names = [name for name, in server.sql("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")]
    return " UNION ALL ".join(f"SELECT '{name}', count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM \"{name}\" t"
                              for name in names if name not in quiet)


class Table:
    def __init__(self, server, service, method, good, quiet=()):
        self.server, self.service, self.method = server, service, method
        self.good, self.quiet = good, quiet

    def refuse_message(self, message, code, word, what):
        before = store_digest(self.server, self.quiet)
        try:
            answer = self.server.call(self.service, self.method, message)
        except CallError as error:
            check(error.code == code, f"{self.method}, {what}: {error}, expected {code}")
            text = (error.message or "").lower()
            check(word.lower() in text, f"{self.method}, {what}: {error} does not name {word}")
        else:
            raise AssertionError(f"{self.method}, {what}: accepted with {answer}, expected {code}")
        check(store_digest(self.server, self.quiet) == before, f"{self.method}, {what}: a refusal has changed the store")

    def refuse(self, changes, code, word):
        """The good request with these fields replaced (None: left out) has to fail with the code, naming the word."""
        message = self.good
        for path, value in changes.items():
            message = without(message, path) if value is None else replaced(message, path, value)
        self.refuse_message(message, code, word, repr(changes))

    def refuse_policies(self, spec):
        """Annotations of the trigger whose specification is at this path."""
        for key, value, word in BAD_POLICIES:
            annotations = {"values": {"team": "a", key: value}}
            self.refuse({f"{spec}.runSpec.annotations": annotations}, BAD, f'annotations["{key[:80]}')
            self.refuse({f"{spec}.runSpec.annotations": annotations}, BAD, word)

    def check(self, rows, skip=None):
        skip = skip or {}
        known = dict(paths_of(self.good))
        for path in known:
            plain = path.replace("[0]", "")
            covered = path in rows or any(plain == start or plain.startswith(start + ".") for start in skip)
            check(covered, f"{self.method}: no row for the field {path}")
        for path, row in rows.items():
            if path in known:
                self.wrong_kinds(path, known[path])
            for mutation, outcome in row.items():
                self.mutate(path, known.get(path, ""), mutation, outcome)

    def wrong_kinds(self, path, value):
        """Kinds of JSON that no field with such a value takes."""
        if isinstance(value, dict):
            others = ["text", 17, [17]]
        elif isinstance(value, list):
            others = ["text", 17]
        elif isinstance(value, str):
            others = [{"a": 1}, [1], True]
        else:
            others = [{"a": 1}, [1], "text"]
        for other in others:
            self.refuse_message(replaced(self.good, path, other), BAD, steps_of(path)[0], f"{path} = {other!r}")

    def mutate(self, path, value, mutation, outcome):
        if mutation == "long":
            size, outcome = outcome
        if outcome is FINE:
            return
        code, word = outcome if isinstance(outcome, tuple) else (outcome, field_of(path))
        if mutation == "missing":
            messages = [without(self.good, path)]
        elif mutation == "empty":
            messages = [replaced(self.good, path, type(value)())]
        elif mutation == "long":
            messages = [replaced(self.good, path, "x" * size)]
        elif mutation == "enum":
            self.refuse_message(replaced(self.good, path, "NO_SUCH_VALUE"), BAD, "", f"{path} = NO_SUCH_VALUE")
            messages = [replaced(self.good, path, 9999)]
        else:
            raise AssertionError(f"unknown mutation {mutation}")
        for message in messages:
            self.refuse_message(message, code, word, f"{path} {mutation}")
