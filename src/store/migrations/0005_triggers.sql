-- Triggers of tasks. A deleted one keeps its row, so that its revisions go on counting when the name is deployed again.
CREATE TABLE trigger (
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    task_name TEXT NOT NULL,
    name TEXT NOT NULL,
    revision BIGINT NOT NULL,      -- of the newest change, from 1
    task_version TEXT NOT NULL,    -- which version of the task it runs
    active INTEGER NOT NULL,       -- never 1 when deleted
    automation_type INTEGER NOT NULL, -- flyteidl2.task.TriggerAutomationSpecType
    spec BLOB NOT NULL,            -- flyteidl2.trigger.TriggerSpec as deployed; the columns beside it count
    automation BLOB NOT NULL,      -- flyteidl2.task.TriggerAutomationSpec
    description TEXT NOT NULL,
    deployed_by BLOB NOT NULL,     -- flyteidl2.common.EnrichedIdentity; empty: unknown
    updated_by BLOB NOT NULL,
    created_at BIGINT NOT NULL,    -- the first deploy
    deployed_at BIGINT NOT NULL,   -- the last deploy
    updated_at BIGINT NOT NULL,    -- the last time it was switched on or off
    triggered_at BIGINT NOT NULL,  -- the last run; 0: never
    deleted_at BIGINT NOT NULL,    -- 0: it is there
    baseline_at BIGINT NOT NULL,   -- since when its present schedule counts: times before are not due
    seq BIGINT NOT NULL,
    PRIMARY KEY (project, domain, task_name, name)
);
CREATE INDEX trigger_name ON trigger (project, domain, name) WHERE deleted_at = 0;
-- The list of a project in the order it has by itself.
CREATE INDEX trigger_listed ON trigger (project, domain, active, updated_at, task_name, name) WHERE deleted_at = 0;
-- What a scheduler has not seen yet.
CREATE INDEX trigger_seq ON trigger (seq);

-- Every state a trigger was in; nothing here ever changes.
CREATE TABLE trigger_revision (
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    task_name TEXT NOT NULL,
    name TEXT NOT NULL,
    revision BIGINT NOT NULL,
    action INTEGER NOT NULL, -- flyteidl2.trigger.TriggerRevisionAction
    recorded_at BIGINT NOT NULL,
    task_version TEXT NOT NULL,
    active INTEGER NOT NULL,
    automation_type INTEGER NOT NULL,
    spec BLOB NOT NULL,
    automation BLOB NOT NULL,
    description TEXT NOT NULL,
    deployed_by BLOB NOT NULL,
    updated_by BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    deployed_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    triggered_at BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL,
    PRIMARY KEY (project, domain, task_name, name, revision)
);

-- The newest run of a version of a task. Over all versions there is action_root_task.
CREATE INDEX action_root_version ON action (task_project, task_domain, task_name, task_version, created_at, run_name)
    WHERE parent = '';
-- Tasks of all projects, newest first.
CREATE INDEX task_any ON task (created_at, project, domain, name);
