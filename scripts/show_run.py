"""Waits for a run and prints its state, actions and result: show_run.py CONFIG NAME."""
import sys

import flyte
import flyte.remote


def main(config: str, name: str) -> int:
    flyte.init_from_config(config)
    run = flyte.remote.Run.get(name)
    run.wait(quiet=True)
    run = flyte.remote.Run.get(name)
    phase = str(getattr(run.phase, "value", run.phase)).lower()
    actions = list(flyte.remote.Action.listall(for_run_name=name))
    print(f"run     {name}")
    print(f"state   {phase}, {len(actions)} actions")
    if phase != "succeeded":
        error = run.details().action_details.error_info
        print(f"error   {error.message if error else 'none recorded'}")
        return 1
    print(f"result  {', '.join(repr(value) for value in run.outputs())}")
    return 0


sys.exit(main(*sys.argv[1:]))
