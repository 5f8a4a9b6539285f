-- What has changed in the runs of all projects, in order.
CREATE INDEX action_root_any_seq ON action (seq) WHERE parent = '';
