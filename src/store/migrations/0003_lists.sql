-- The orders of long lists: of the runs of a project and domain, and of the actions of one run.
CREATE INDEX action_root_release ON action (project, domain, task_version, created_at, run_name) WHERE parent = '';
CREATE INDEX action_root_ended ON action (project, domain, ended_at, created_at, run_name) WHERE parent = '';
CREATE INDEX action_root_duration ON action (project, domain, duration_ms, created_at, run_name) WHERE parent = '';
CREATE INDEX action_created ON action (run_id, created_at, name);
CREATE INDEX action_phase ON action (run_id, phase, created_at, name);
