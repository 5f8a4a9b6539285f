"""Turns the buf.validate options of the protocol into tables of struct pb_rule (src/rpc/pb_rule.h).

Nothing is left out in silence: a rule, pattern or expression that this file does not know stops the build, and so does an
entry of RELAXED that no rule matches any more.
"""
import struct
from fnmatch import fnmatchcase

from wire import Raw, signed

ORG = "installations have one organization; the SDK sends an empty one, or the first label of a host name"
SCOPE = "a scope of nothing means everything, as an empty org in the same oneof does"
ATTEMPT = "0 until the first attempt begins; executors report it and the SDK asks with the number it was shown"
ROUTE = "there is one cluster, so whatever the resource names leads to it; the SDK asks before a project is chosen"
UPLOAD = "the SDK uploads the context of an image build before a project is chosen"
HEADER = "bearer tokens and names of headers in use are longer"

# Rules that are not enforced, because clients break them today and are right to: (fields, rules, reason). Fields and
# oneofs are given by full name less "flyteidl2."; both columns may hold "*". Rules have the names of buf.validate;
# "below" stands for all rules inside the message that the field holds.
RELAXED = [
    ("*.org", "*", ORG),
    ("*.organization", "*", ORG),
    ("common.Organization.name", "*", ORG),
    ("common.OrgIdentifier.name", "*", ORG),
    ("workflow.ListRunsRequest.scope_by", "required", SCOPE),
    ("workflow.WatchRunsRequest.target", "required", SCOPE),
    ("task.ListTasksRequest.scope_by", "required", SCOPE),
    ("trigger.ListTriggersRequest.scope_by", "required", SCOPE),
    ("app.ListRequest.filter_by", "required", SCOPE),
    ("app.WatchRequest.target", "required", SCOPE),
    ("*.attempt", "gt", ATTEMPT),
    ("*.attempts", "gt", ATTEMPT),
    ("cluster.SelectClusterRequest.resource", "required", ROUTE),
    ("cluster.SelectClusterRequest.*_id", "below", ROUTE),
    ("cluster.SelectClusterRequest.operation", "not_in", ROUTE),
    ("dataproxy.CreateUploadLocationRequest.project", "min_len", UPLOAD),
    ("dataproxy.CreateUploadLocationRequest.domain", "min_len", UPLOAD),
    ("dataproxy.CreateUploadLocationRequest.content_md5", "len", "a filename_root may stand in for it; the handler decides"),
    ("trigger.GetTriggerDetailsRequest.name", "below", "without task_name a trigger is found by its name; the handler checks the rest"),
    ("mayfly.schedule.v1.*.trigger", "below", "the same"),
    ("imagebuilder.GetImageRequest.project_id", "below", UPLOAD),
    ("workflow.TaskAction.id", "below", "a child is enqueued with the ids of its parent, whose version may be empty"),
    ("task.Environment.description", "max_len", "the SDK sends it uncut; DeployTask keeps what fits"),
    ("task.DocumentationEntity.*_description", "max_len", "DeployTask keeps what fits, at a character's end"),
    ("app.Profile.short_description", "max_len", "the SDK sends the description of the environment uncut"),
    ("secret.SecretIdentifier.name", "pattern", "secrets named like \"service.key\" are in use, the reference takes them; the handler checks"),
    ("notification.WebhookDeliveryTemplate.headers", "keys.max_len", HEADER),
    ("notification.WebhookDeliveryTemplate.headers", "values.m*_len", HEADER),
]

FIELD_OPTION = MESSAGE_OPTION = ONEOF_OPTION = 1159  # the extension number of buf.validate, the same in all three

# The oneof of FieldRules: its field number -> what the value is.
NUMERIC = {1: "float", 2: "double", 3: "int32", 4: "int64", 5: "uint32", 6: "uint64"}
STRING, BYTES, ENUM, REPEATED, MAP, DURATION = 14, 15, 16, 18, 19, 21
REQUIRED, CEL, IGNORE = 25, 23, 27
IGNORE_IF_ZERO_VALUE = 1

# Field number -> (name, kind) of the rules that take one number.
STRING_LIMITS = {2: ("min_len", "PB_RULE_MIN_LEN"), 3: ("max_len", "PB_RULE_MAX_LEN")}
BYTES_LIMITS = {13: ("len", "PB_RULE_LEN"), 2: ("min_len", "PB_RULE_MIN_LEN"), 3: ("max_len", "PB_RULE_MAX_LEN")}
LIST_LIMITS = {1: ("min_items", "PB_RULE_MIN_ITEMS"), 2: ("max_items", "PB_RULE_MAX_ITEMS")}
MAP_LIMITS = {1: ("min_pairs", "PB_RULE_MIN_ITEMS"), 2: ("max_pairs", "PB_RULE_MAX_ITEMS")}
ORDERINGS = {2: ("lt", "PB_RULE_LT"), 3: ("lte", "PB_RULE_LTE"), 4: ("gt", "PB_RULE_GT"), 5: ("gte", "PB_RULE_GTE")}
DURATION_ORDERINGS = {number + 1: rule for number, rule in ORDERINGS.items()}
PATTERN, URI = 6, 17

# Regular expression -> struct pb_pattern. Letters of the small alphabet and digits are always allowed.
PATTERNS = {
    r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$": dict(extra="-", upper=True, edges=True, min_len=1, max_len=63),
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": dict(extra="-", edges=True, min_len=1),
    r"^[A-Za-z0-9._-]+$": dict(extra="._-", upper=True, min_len=1),
    r"^[A-Za-z0-9._-]*$": dict(extra="._-", upper=True),
    r"^[-a-zA-Z0-9_]+$": dict(extra="-_", upper=True, min_len=1),
}

# Id of a CEL rule of a message -> (expression, kind, fields by name, further members).
MESSAGE_CEL = {
    "queue_identifier.domain_project_combination":
        ("!(this.domain == '' && this.project != '')", "PB_RULE_NEEDS", ("project", "domain"), {}),
    "backoff.cap_required_when_factor_gt_1":
        ("!has(this.factor) || this.factor <= 1.0 || has(this.cap)", "PB_RULE_NEEDS", ("factor", "cap"), {"real": "1.0"}),
    "reuse_policy.replica_bounds":
        ("this.max_replicas >= this.min_replicas", "PB_RULE_ORDERED", ("min_replicas", "max_replicas"), {}),
    "at_least_one_required":
        ("has(this.webhook) || has(this.email)", "PB_RULE_ANY_OF", ("webhook", "email"), {}),
    "paused_rule_exclusive":
        ("!(flyteidl2.common.ActionPhase.ACTION_PHASE_PAUSED in this.on_phases) || this.on_phases.size() == 1", "PB_RULE_ALONE",
         ("on_phases",), {"number": "9"}),
}
# The same for fields.
FIELD_CEL = {"relation_type.greater_than_zero": ("int(this) > 0", "PB_RULE_GT", {"number": "0"})}

used = set()  # entries of RELAXED that matched


def relaxed(where, rule):
    name = where.removeprefix("flyteidl2.")
    matches = {i for i, (fields, rules, _) in enumerate(RELAXED) if fnmatchcase(name, fields) and fnmatchcase(rule, rules)}
    used.update(matches)
    return bool(matches)


def finish():
    for i, (fields, rules, _) in enumerate(RELAXED):
        if i not in used:
            raise SystemExit(f"tools/rules.py: RELAXED names {fields}: {rules}, but no rule matches; take the entry out")


def refuse(where, what):
    raise SystemExit(f"{where}: {what} is not supported; teach it to tools/rules.py and src/rpc/pb_validate.c")


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def initializer(kind, **members):
    return "{" + ", ".join(f".{name} = {value}" for name, value in {"kind": kind, **members}.items()) + "}"


def option(data, number):
    """The buf.validate option out of the options of a descriptor; number is that of the field "options"."""
    return Raw(Raw(Raw(data).bytes(number)).bytes(FIELD_OPTION))


def only(raw, known, where, what):
    for number in raw.values:
        if number not in known:
            refuse(where, f"field {number} of {what}")


def integers(raw, number):
    """A repeated varint, packed or not."""
    out = []
    for value in raw.values.get(number, []):
        if isinstance(value, int):
            out.append(signed(value))
        else:
            refuse("buf.validate", "a packed list")
    return out


class Writer:
    """Collects the initializers of one field."""

    def __init__(self, context):
        self.context = context
        self.where = context.where
        self.rules = []

    def add(self, name, kind, on="", **members):
        """A member that is a function is only called when the rule counts."""
        if relaxed(self.where, f"{on.lower()}s.{name}" if on else name):
            return
        members = {member: value() if callable(value) else value for member, value in members.items()}
        if on:
            members["on"] = f"PB_ON_{on}"
        self.rules.append(initializer(kind, **members))

    def limits(self, raw, table, on=""):
        for number, (name, kind) in table.items():
            if number in raw.values:
                self.add(name, kind, on, number=raw.int(number))

    def text(self, raw, on, skip):
        only(raw, {*STRING_LIMITS, PATTERN, URI}, self.where, "StringRules")
        self.limits(raw, STRING_LIMITS, on)
        if PATTERN in raw.values:
            self.add("pattern", "PB_RULE_PATTERN", on, pattern=lambda: "&" + self.pattern(raw.text(PATTERN)), **skip)
        if raw.int(URI):
            self.add("uri", "PB_RULE_URI", on, **skip)

    def pattern(self, regex):
        if regex not in PATTERNS:
            refuse(self.where, f"the pattern {regex}")
        symbol = self.context.symbol("pattern")
        members = {name: str(value).lower() if isinstance(value, bool) else c_string(value) if isinstance(value, str) else value
                   for name, value in PATTERNS[regex].items()}
        text = ", ".join(f".{name} = {value}" for name, value in {"regex": c_string(regex), **members}.items())
        self.context.static(f"static const struct pb_pattern {symbol} = {{{text}}};")
        return symbol

    def number(self, raw, type_name):
        only(raw, ORDERINGS, self.where, f"rules of {type_name}")
        for number, (name, kind) in ORDERINGS.items():
            if number not in raw.values:
                continue
            if type_name in ("float", "double"):
                value = raw.values[number][-1]
                size = ("<i", "<f") if type_name == "float" else ("<q", "<d")
                real = struct.unpack(size[1], value.to_bytes(struct.calcsize(size[1]), "little"))[0]
                self.add(name, kind, real=repr(real))
            elif not (type_name.startswith("u") and name == "gte" and raw.int(number) == 0):  # which says nothing
                self.add(name, kind, number=raw.int(number))

    def duration(self, raw):
        only(raw, DURATION_ORDERINGS, self.where, "DurationRules")
        for number, (name, kind) in DURATION_ORDERINGS.items():
            if number in raw.values:
                limit = Raw(raw.bytes(number))
                self.add(name, kind, number=limit.int(1), nanos=limit.int(2))

    def enum(self, raw, on=""):
        only(raw, {2, 3, 4}, self.where, "EnumRules")
        if raw.int(2):
            self.add("defined_only", "PB_RULE_DEFINED_ONLY", on)
        for number, name, kind in ((3, "in", "PB_RULE_IN"), (4, "not_in", "PB_RULE_NOT_IN")):
            values = integers(raw, number)
            if values:
                text = ", ".join(map(str, values))
                self.add(name, kind, on, set=f"(const int32_t[]){{{text}}}", set_count=len(values))

    def elements(self, data, on):
        """Rules of the elements of a list, of the keys, or of the values of a map."""
        rules = Raw(data)
        only(rules, {STRING, ENUM}, self.where, f"rules of {on.lower()}s")
        if STRING in rules.values:
            self.text(Raw(rules.bytes(STRING)), on, {})
        if ENUM in rules.values:
            self.enum(Raw(rules.bytes(ENUM)), on)

    def list(self, raw):
        only(raw, {1, 2, 3, 4}, self.where, "RepeatedRules")
        self.limits(raw, LIST_LIMITS)
        if raw.int(3):
            if self.context.field.kind != "PB_ENUM":
                refuse(self.where, "uniqueness of anything but enums")
            self.add("unique", "PB_RULE_UNIQUE")
        if 4 in raw.values:
            self.elements(raw.bytes(4), "ITEM")

    def map(self, raw):
        only(raw, {1, 2, 4, 5}, self.where, "MapRules")
        self.limits(raw, MAP_LIMITS)
        if 4 in raw.values:
            self.elements(raw.bytes(4), "KEY")
        if 5 in raw.values:
            self.elements(raw.bytes(5), "VALUE")

    def cel(self, raw):
        for rule in raw.messages(CEL):
            name, expression = rule.text(1), rule.text(3)
            if FIELD_CEL.get(name, (None,))[0] != expression:
                refuse(self.where, f"the expression {name}: {expression}")
            _, kind, members = FIELD_CEL[name]
            self.add(name, kind, text=c_string(rule.text(2)), **members)


def field_rules(data, context):
    writer = Writer(context)
    if context.field.kind == "PB_MESSAGE" and relaxed(context.where, "below"):
        writer.rules.append(initializer("PB_RULE_OPAQUE"))
    raw = option(data, 8)
    only(raw, {*NUMERIC, STRING, BYTES, ENUM, REPEATED, MAP, DURATION, REQUIRED, CEL, IGNORE}, context.where, "FieldRules")
    if raw.int(IGNORE) not in (0, IGNORE_IF_ZERO_VALUE):
        refuse(context.where, f"ignore = {raw.int(IGNORE)}")
    skip = {"skip_empty": "true"} if raw.int(IGNORE) else {}
    if skip and set(raw.values) != {IGNORE, STRING}:
        refuse(context.where, "ignore together with other rules than those of strings")
    if raw.int(REQUIRED):
        writer.add("required", "PB_RULE_REQUIRED")
    for number, type_name in NUMERIC.items():
        if number in raw.values:
            writer.number(Raw(raw.bytes(number)), type_name)
    if STRING in raw.values:
        text = Raw(raw.bytes(STRING))
        if skip and set(text.values) & set(STRING_LIMITS):
            refuse(context.where, "ignore together with limits of length")
        writer.text(text, "", skip)
    if BYTES in raw.values:
        limits = Raw(raw.bytes(BYTES))
        only(limits, BYTES_LIMITS, context.where, "BytesRules")
        writer.limits(limits, BYTES_LIMITS)
    if ENUM in raw.values:
        writer.enum(Raw(raw.bytes(ENUM)))
    if REPEATED in raw.values:
        writer.list(Raw(raw.bytes(REPEATED)))
    if MAP in raw.values:
        writer.map(Raw(raw.bytes(MAP)))
    if DURATION in raw.values:
        writer.duration(Raw(raw.bytes(DURATION)))
    writer.cel(raw)
    return writer.rules


def message_rules(data, context):
    raw = option(data, 7)
    only(raw, {3}, context.where, "MessageRules")
    numbers = {field.name: field.number for field in context.message.fields}
    rules = []
    for rule in raw.messages(3):
        name, expression = rule.text(1), rule.text(3)
        if MESSAGE_CEL.get(name, (None,))[0] != expression:
            refuse(context.where, f"the expression {name}: {expression}")
        _, kind, fields, members = MESSAGE_CEL[name]
        if not relaxed(context.where, name):
            places = dict(zip("ab", (numbers[field] for field in fields)))
            rules.append(initializer(kind, **members, **places, text=c_string(rule.text(2))))
    return rules


def oneof_required(data, context):
    raw = option(data, 2)
    only(raw, {1}, context.where, "OneofRules")
    return bool(raw.int(1)) and not relaxed(f"{context.where}.{Raw(data).text(1)}", "required")
