#include "action/machine.h"

#define BIT(phase) (1u << (phase))
#define TERMINAL                                                                                             \
    (BIT(MF_PHASE_SUCCEEDED) | BIT(MF_PHASE_FAILED) | BIT(MF_PHASE_ABORTED) | BIT(MF_PHASE_TIMED_OUT) |      \
     BIT(MF_PHASE_RECOVERED))

#define PHASE_COUNT 11

/* What may follow within the attempt, and whether another attempt may follow. A phase that is not terminal
 * may follow itself: the report then carries something else that is new. */
static const struct {
    uint32_t next;
    bool another_attempt;
} moves[PHASE_COUNT] = {
    [MF_PHASE_UNSPECIFIED] = {~BIT(MF_PHASE_UNSPECIFIED), true},
    [MF_PHASE_QUEUED] = {BIT(MF_PHASE_QUEUED) | BIT(MF_PHASE_WAITING_FOR_RESOURCES) |
                             BIT(MF_PHASE_INITIALIZING) | BIT(MF_PHASE_RUNNING) | BIT(MF_PHASE_PAUSED) |
                             TERMINAL,
                         true},
    [MF_PHASE_WAITING_FOR_RESOURCES] = {BIT(MF_PHASE_WAITING_FOR_RESOURCES) | BIT(MF_PHASE_INITIALIZING) |
                                            BIT(MF_PHASE_RUNNING) | TERMINAL,
                                        true},
    [MF_PHASE_INITIALIZING] = {BIT(MF_PHASE_INITIALIZING) | BIT(MF_PHASE_RUNNING) | TERMINAL, true},
    [MF_PHASE_RUNNING] = {BIT(MF_PHASE_RUNNING) | TERMINAL, true},
    [MF_PHASE_PAUSED] = {BIT(MF_PHASE_PAUSED) | TERMINAL, false},
    [MF_PHASE_FAILED] = {0, true},
    [MF_PHASE_TIMED_OUT] = {0, true},
    [MF_PHASE_SUCCEEDED] = {0, false},
    [MF_PHASE_ABORTED] = {0, false},
    [MF_PHASE_RECOVERED] = {0, false},
};

static bool known(int32_t phase)
{
    return phase >= 0 && phase < PHASE_COUNT;
}

bool mf_phase_is_terminal(int32_t phase)
{
    return known(phase) && (TERMINAL & BIT(phase)) != 0;
}

bool mf_phase_may_follow(int32_t from_attempt, int32_t from, int32_t to_attempt, int32_t to)
{
    if (!known(from) || !known(to) || to == MF_PHASE_UNSPECIFIED || to_attempt < from_attempt)
        return false;
    return to_attempt > from_attempt ? moves[from].another_attempt : (moves[from].next & BIT(to)) != 0;
}

const char *mf_phase_word(int32_t phase)
{
    static const char *const words[PHASE_COUNT] = {
        [MF_PHASE_UNSPECIFIED] = "UNSPECIFIED",
        [MF_PHASE_QUEUED] = "QUEUED",
        [MF_PHASE_WAITING_FOR_RESOURCES] = "WAITING_FOR_RESOURCES",
        [MF_PHASE_INITIALIZING] = "INITIALIZING",
        [MF_PHASE_RUNNING] = "RUNNING",
        [MF_PHASE_SUCCEEDED] = "SUCCEEDED",
        [MF_PHASE_FAILED] = "FAILED",
        [MF_PHASE_ABORTED] = "ABORTED",
        [MF_PHASE_TIMED_OUT] = "TIMED_OUT",
        [MF_PHASE_PAUSED] = "PAUSED",
        [MF_PHASE_RECOVERED] = "RECOVERED",
    };
    return known(phase) ? words[phase] : "UNKNOWN";
}
