"""Waiting for a condition, with a deadline. The step between two looks is all the time that passes
for nothing."""

import time

STEP_S = 0.01


class TooLate(AssertionError):
    pass


def until(condition, what, deadline_s=30.0, step_s=STEP_S):
    """The first true value of condition(); TooLate after deadline_s."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise TooLate(f"not within {deadline_s:g} s: {what}")
        time.sleep(step_s)
