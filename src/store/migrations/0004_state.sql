-- Webhooks that are still to be told that a condition waits. A row goes once its receiver has answered well, or has
-- refused for good, or nobody waits any more.
CREATE TABLE webhook (
    run_id BIGINT NOT NULL,
    name TEXT NOT NULL,       -- of the condition
    attempt INTEGER NOT NULL,
    tries INTEGER NOT NULL,   -- that have failed
    next_at BIGINT NOT NULL,
    last_error TEXT NOT NULL, -- of the newest try
    created_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, name, attempt)
);
CREATE INDEX webhook_due ON webhook (next_at, run_id, name, attempt);

-- Aborted attempts of which something may still run. A row goes once that has ended for certain.
CREATE TABLE abort_work (
    run_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    tries INTEGER NOT NULL,   -- to end it, so far
    last_error TEXT NOT NULL, -- why the newest one did not
    tried_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL, -- when the abort was asked for
    PRIMARY KEY (run_id, name, attempt)
);

-- What an executor elsewhere keeps with an action through StateService, as it has sent it.
CREATE TABLE action_state (
    run_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, name)
);
