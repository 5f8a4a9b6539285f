-- Lists of runs by what their clients choose them by. An index is only written for runs that have the thing in question.

CREATE INDEX run_creator ON run (project, domain, created_by_subject, created_at, name) WHERE created_by_subject <> '';
CREATE INDEX run_trigger ON run (project, domain, trigger_name, trigger_task_name, created_at, name) WHERE trigger_name <> '';
CREATE INDEX run_label_value ON run_label (name, value, created_at, run_id);
CREATE INDEX run_label_name ON run_label (name, created_at, run_id);
-- The SDK asks for the runs of a task within the project and domain of the run, which the task may not be of.
CREATE INDEX action_root_task_name ON action (project, domain, task_name, created_at, run_name) WHERE parent = '';
-- The newest runs of all projects.
CREATE INDEX action_root_any ON action (created_at, run_name) WHERE parent = '';
