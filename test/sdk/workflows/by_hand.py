"""Triggers on demand: apart from the others, because older SDKs have none without an automation."""
import flyte

hand_env = flyte.TaskEnvironment("acc_trig_hand")


@hand_env.task(triggers=(
    flyte.Trigger("by_hand", inputs={"x": 40}, env_vars={"ACC_FROM": "trigger"}),
    flyte.Trigger("yearly", flyte.Cron("0 0 1 1 *", timezone="Europe/London"), auto_activate=False),
))
async def on_hand(x: int = 3) -> str:
    import os

    return f"x={x} from={os.environ.get('ACC_FROM')}"
