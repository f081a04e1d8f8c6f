"""What the bench prints: one line per step while it runs, one table at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def step_line(step: Mapping[str, Any]) -> str:
    """One line of a ladder."""
    latency = step["latency_ms"]
    shown = "  ".join(f"{name} {latency[name]:.1f}" for name in ("p50", "p95", "p99") if name in latency)
    trouble = "".join(f"  {what} {count}" for what, count in step["disturbances"].items())
    others = step["other_programs_share"]
    disturbed = f"  (other programs took {others:.0%} of a core)" if others > 0.15 else ""
    return (
        f"{step['rate']:8.0f} ops/s offered  {step['achieved_ops_per_second']:9.1f} ops/s"
        f"  {step['deliveries_per_second']:9.0f} deliveries/s  ms {shown}  lost {step['lost']}  duplicated {step['duplicated']}"
        f"{trouble}  {'ok' if step['sustained'] else 'NOT SUSTAINED'}{disturbed}"
    )


def cpu_table(step: Mapping[str, Any]) -> str:
    """CPU per op and share of a core by process, with resident memory."""
    lines = ["process          CPU us/op   % of a core   resident MB"]
    for name, micros in step["cpu_us_per_op"].items():
        resident = step["resident_mb"].get(name)
        memory = "" if resident is None else f"{resident:.0f}"
        lines.append(f"{name:15} {micros:10.1f} {step['cpu_share'][name]:13.0%} {memory:>13}")
    lines.append(f"{'all':15} {sum(step['cpu_us_per_op'].values()):10.1f} {sum(step['cpu_share'].values()):13.0%}")
    return "\n".join(lines)


def best_of(steps: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The highest sustained step."""
    return max((step for step in steps if step["sustained"]), key=lambda step: float(step["rate"]), default=None)


def summary(steps: Sequence[Mapping[str, Any]], floor_rate: float | None) -> str:
    """The result of a ladder, in a few lines; `floor_rate` is what the bare floor sustained in the same run."""
    best = best_of(steps)
    if best is None:
        return "No offered rate was sustained: start lower with --rate, or look at the lines above for what disturbed it."
    latency = best["latency_ms"]
    result = (
        f"sustained {best['achieved_ops_per_second']:.0f} ops/s, {best['deliveries_per_second']:.0f} deliveries/s,"
        f" p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms, p99 {latency['p99']:.1f} ms,"
        f" lost {best['lost']}, duplicated {best['duplicated']}, out of order {best['out_of_order']}"
    )
    lines = [result, cpu_table(best)]
    if floor_rate:
        lines.append(f"the bare floor sustained {floor_rate:.0f} ops/s in the same run: {best['rate'] / floor_rate:.0%} of it")
    return "\n".join(lines)
