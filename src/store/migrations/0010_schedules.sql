-- What the scheduler keeps of a trigger that has, or had, a schedule: small, so that a start reads a million of them.
CREATE TABLE schedule (
    id BIGINT PRIMARY KEY NOT NULL,
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    task_name TEXT NOT NULL,
    name TEXT NOT NULL,
    revision BIGINT NOT NULL,    -- of the trigger
    active INTEGER NOT NULL,     -- the trigger is, and has a schedule
    automation BLOB NOT NULL,    -- flyteidl2.task.TriggerAutomationSpec
    policy TEXT NOT NULL,        -- trigger/policy.h; empty: what is usual
    baseline_at BIGINT NOT NULL, -- as of the trigger
    cursor_at BIGINT NOT NULL,   -- up to and with this instant every due time is decided
    buffered_at BIGINT NOT NULL, -- the due time that waits for the end of a run; 0: none
    runs BIGINT NOT NULL,        -- made since the schedule or its policy was last changed
    settled_at BIGINT NOT NULL,  -- runs of due times up to this one have ended
    error TEXT NOT NULL,         -- why the next due time could not be fired yet
    error_at BIGINT NOT NULL,    -- when that was first seen; 0: there is no error
    seq BIGINT NOT NULL          -- of the trigger's last change; firing leaves it alone
);
CREATE UNIQUE INDEX schedule_trigger ON schedule (project, domain, task_name, name);
-- What a scheduler has not seen yet.
CREATE INDEX schedule_seq ON schedule (seq);

INSERT INTO schedule
SELECT row_number() OVER (ORDER BY project, domain, task_name, name), project, domain, task_name, name, revision, active,
    automation, '', baseline_at, baseline_at, 0, 0, 0, '', 0, seq
FROM trigger WHERE automation_type = 2; -- TYPE_SCHEDULE

-- Each due time that has its run.
CREATE TABLE fire (
    schedule_id BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    run_id BIGINT NOT NULL,
    kind INTEGER NOT NULL,    -- store/fire.h
    fired_at BIGINT NOT NULL,
    PRIMARY KEY (schedule_id, due_at)
);
CREATE INDEX fire_age ON fire (fired_at);

-- Due times that were given up: all from the first to the last instant, except those that have a row in fire.
CREATE TABLE fire_gap (
    schedule_id BIGINT NOT NULL,
    from_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    reason INTEGER NOT NULL,     -- store/fire.h
    error TEXT NOT NULL,         -- what was wrong at the last try; empty: nothing
    decided_at BIGINT NOT NULL,  -- the last of them
    PRIMARY KEY (schedule_id, from_at)
);
CREATE INDEX fire_gap_age ON fire_gap (decided_at);

-- Since when the schedule of a revision counts, so that its due times can be told afterwards; 0: since it was recorded.
ALTER TABLE trigger_revision ADD COLUMN baseline_at BIGINT NOT NULL DEFAULT 0;
UPDATE trigger_revision SET baseline_at = coalesce((SELECT t.baseline_at FROM trigger t
    WHERE t.project = trigger_revision.project AND t.domain = trigger_revision.domain
    AND t.task_name = trigger_revision.task_name AND t.name = trigger_revision.name
    AND t.revision = trigger_revision.revision), 0);
