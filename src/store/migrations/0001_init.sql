-- Instants are nanoseconds since 1970-01-01 UTC. seq is the number of the row's last change in the store-wide change
-- sequence; watches ask for rows above the last number they have seen.

CREATE TABLE counter (
    name TEXT PRIMARY KEY NOT NULL,
    value BIGINT NOT NULL
);

CREATE TABLE project (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    labels BLOB NOT NULL,
    state INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE task (
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    environment TEXT NOT NULL,
    function_name TEXT NOT NULL,
    deployed_by TEXT NOT NULL, -- subject
    deployer BLOB NOT NULL,    -- flyteidl2.common.EnrichedIdentity
    env_description TEXT NOT NULL,
    short_description TEXT NOT NULL,
    is_entrypoint INTEGER NOT NULL,
    spec BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (project, domain, name, version)
);
CREATE INDEX task_newest ON task (project, domain, name, created_at, version);
CREATE INDEX task_created ON task (project, domain, created_at, name);

-- Task, trace and condition specifications, stored once however many actions share one.
CREATE TABLE spec (
    digest BLOB PRIMARY KEY NOT NULL, -- SHA-256 of body
    body BLOB NOT NULL
);

-- What belongs to a run as a whole. Its state is that of its root action, a0.
CREATE TABLE run (
    id BIGINT PRIMARY KEY NOT NULL, -- the change number of its creation
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    org TEXT NOT NULL,
    request_digest BLOB NOT NULL, -- tells a repeated CreateRun from a different one
    run_spec BLOB NOT NULL,       -- flyteidl2.task.RunSpec
    output_base TEXT NOT NULL,
    start_time BIGINT NOT NULL,   -- run_start_time as the tasks see it; 0 when not given
    source INTEGER NOT NULL,
    created_by BLOB NOT NULL,     -- flyteidl2.common.EnrichedIdentity
    created_by_subject TEXT NOT NULL,
    trigger_task_name TEXT NOT NULL,
    trigger_name TEXT NOT NULL,
    trigger_revision BIGINT NOT NULL,
    trigger_type INTEGER NOT NULL,    -- flyteidl2.task.TriggerAutomationSpecType as it was then
    trigger_automation BLOB NOT NULL, -- flyteidl2.task.TriggerAutomationSpec as it was then
    related_run_id BIGINT NOT NULL, -- 0 or the run this one re-runs or recovers
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX run_name ON run (project, domain, name);

CREATE TABLE run_label (
    run_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at BIGINT NOT NULL, -- as the run was
    PRIMARY KEY (run_id, name)
);

CREATE TABLE action (
    run_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    run_name TEXT NOT NULL,
    parent TEXT NOT NULL, -- '' for the root
    kind INTEGER NOT NULL, -- flyteidl2.workflow.ActionType: 1 task, 2 trace, 3 condition
    carrier INTEGER NOT NULL, -- who carries it out: 0 the executor of this server, 1 one elsewhere, 2 the client of a tracked run
    phase INTEGER NOT NULL,
    attempts INTEGER NOT NULL, -- number of the newest attempt, from 1
    cache_status INTEGER NOT NULL,
    action_group TEXT NOT NULL,
    task_project TEXT NOT NULL,
    task_domain TEXT NOT NULL,
    task_name TEXT NOT NULL, -- of a trace or condition: its name
    task_version TEXT NOT NULL,
    task_type TEXT NOT NULL,
    short_name TEXT NOT NULL,
    function_name TEXT NOT NULL,
    environment_name TEXT NOT NULL,
    spec_digest BLOB NOT NULL, -- empty or a row of spec
    input_uri TEXT NOT NULL,   -- full name of inputs.pb
    output_uri TEXT NOT NULL,  -- folder of outputs.pb; of a trace the file itself
    cache_key TEXT NOT NULL,
    error BLOB NOT NULL,       -- flyteidl2.core.ExecutionError, when FAILED or TIMED_OUT
    abort_reason TEXT NOT NULL,
    aborted_by BLOB NOT NULL,
    value BLOB NOT NULL,       -- flyteidl2.core.Literal of a signalled condition
    signalled_by BLOB NOT NULL,
    principal TEXT NOT NULL,
    recovered_from BLOB NOT NULL,
    hidden INTEGER NOT NULL,   -- 1: a failed child of a parent that is retried; left out of its snapshot, may be enqueued again
    user_retries INTEGER NOT NULL,   -- retries spent on errors of the user's code
    system_retries INTEGER NOT NULL, -- and on errors of the system
    not_before BIGINT NOT NULL,      -- a queued attempt may start from here on (backoff)
    queued_at BIGINT NOT NULL,       -- when the newest attempt was queued
    running_at BIGINT NOT NULL,      -- when it began to run; 0 before
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,        -- 0 while not terminal
    duration_ms BIGINT GENERATED ALWAYS AS (CASE WHEN ended_at > 0 THEN (ended_at - created_at + 500000) / 1000000 ELSE 0 END) STORED,
    seq BIGINT NOT NULL,
    PRIMARY KEY (run_id, name)
);
CREATE INDEX action_run_seq ON action (run_id, seq);
CREATE INDEX action_children ON action (run_id, parent, seq);
-- Runs are lists of root actions.
CREATE INDEX action_root_created ON action (project, domain, created_at, run_name) WHERE parent = '';
CREATE INDEX action_root_phase ON action (project, domain, phase, created_at, run_name) WHERE parent = '';
CREATE INDEX action_root_task ON action (task_project, task_domain, task_name, created_at, run_name) WHERE parent = '';
CREATE INDEX action_root_seq ON action (project, domain, seq) WHERE parent = '';
CREATE INDEX action_paused ON action (run_id) WHERE phase = 9;
-- What is not finished, for the executor after a start: its size is that of the work at hand, not of the history.
CREATE INDEX action_open ON action (seq) WHERE phase IN (1, 2, 3, 4, 9) AND carrier = 0;
-- What an abort of the parent has to end.
CREATE INDEX action_open_children ON action (run_id, parent, name) WHERE phase IN (1, 2, 3, 4, 9);

CREATE TABLE event (
    run_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL, -- flyteidl2.workflow.ActionEvent
    error_kind INTEGER NOT NULL,
    updated_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, name, attempt, phase, version)
);

-- Processes the local executor has started and not yet seen to the end.
CREATE TABLE process (
    run_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    pid BIGINT NOT NULL,        -- of the shim; 0 until it has started
    pid_start BIGINT NOT NULL,  -- its start time from /proc, so that a re-used pid is not mistaken for it
    boot_id TEXT NOT NULL,
    work_dir TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, name, attempt)
);

-- The embedded object store. Small bodies live in the row, so that a run and its inputs are one commit; larger ones in
-- a file named by the row.
CREATE TABLE object (
    bucket TEXT NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    etag TEXT NOT NULL,
    md5 BLOB NOT NULL,
    content_type TEXT NOT NULL,
    meta BLOB NOT NULL, -- user metadata as written by the objects module
    body BLOB NOT NULL, -- empty when file is not
    file TEXT NOT NULL, -- relative to the objects folder; '' when the body is in the row
    created_at BIGINT NOT NULL,
    PRIMARY KEY (bucket, name)
);
-- Which files are in use, for the cleaning at start.
CREATE INDEX object_file ON object (file) WHERE file <> '';

-- Multipart uploads in progress.
CREATE TABLE object_upload (
    id TEXT PRIMARY KEY NOT NULL,
    bucket TEXT NOT NULL,
    name TEXT NOT NULL,
    content_type TEXT NOT NULL,
    meta BLOB NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX object_upload_age ON object_upload (created_at);
CREATE TABLE object_part (
    upload_id TEXT NOT NULL,
    number INTEGER NOT NULL, -- 1 to 10000
    size BIGINT NOT NULL,
    md5 BLOB NOT NULL,
    file TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (upload_id, number)
);
CREATE INDEX object_part_file ON object_part (file);

CREATE TABLE cache_entry (
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    cache_key TEXT NOT NULL,
    output_uri TEXT NOT NULL,
    metadata BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (project, domain, cache_key)
);

CREATE TABLE cache_reservation (
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    cache_key TEXT NOT NULL,
    owner TEXT NOT NULL,
    heartbeat_ns BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (project, domain, cache_key)
);
