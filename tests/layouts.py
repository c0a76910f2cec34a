"""Options of plans for Hypothesis: everything that a plan can be told, of any table."""

import json
from typing import Any

from hypothesis import strategies as st
from mlaas4hep import Plan, Specs
from mlaas4hep.planoptions import PlanOptions

from tests.strategies import Table, widths_of

PAD_VALUES = st.sampled_from([0.0, -0.0, -1.0, 0.1, 1e-40, 3.4e38])
CLIPS = st.sampled_from([[-1.0, 1.0], [0.25, 0.5], [0.0, 0.0], [-3.0, 1e-40]])
CENTERS = st.sampled_from([0.0, -1.5, 0.1, 1e30, -1e300, 1e39, 5e-324]) | st.floats(-1e3, 1e3)
SCALES = st.sampled_from([0.0, 1.0, 3.0, 1e-40, 5e-324, 1e-300, 1e300, 1e39]) | st.floats(0, 1e3)


def collections_of(table: Table) -> dict[str, list[str]]:
    """Return the jagged branches with equal lengths, by names that no branch has."""
    groups: dict[str, list[str]] = {}
    for name, column in sorted(table.items()):
        if column.offsets is not None:
            lengths = ",".join(str(len(at)) for at in column.lists())
            groups.setdefault(lengths, []).append(name)
    return {f"group {number}": names for number, names in enumerate(groups.values())}


@st.composite
def options(draw: st.DrawFn, table: Table) -> PlanOptions:
    """Draw options that fit a table."""
    groups = collections_of(table)
    drawn = PlanOptions(
        pad_value=draw(PAD_VALUES),
        widths=draw(widths_of(table)),
        layout=draw(st.sampled_from(["matrix", "collections"])),
        collections=dict(groups),
    )
    rules: Any = st.sampled_from(["minmax", "robust", "none"]) | st.builds(
        lambda clip: {"kind": "minmax", "clip": clip}, CLIPS
    )
    drawn["normalize"] = draw(rules | st.dictionaries(st.sampled_from(sorted(table)), rules))
    if draw(st.booleans()):
        drawn["fill"] = draw(PAD_VALUES | st.dictionaries(st.sampled_from(sorted(table)), PAD_VALUES))
    if groups:
        names = st.sampled_from(sorted(groups))
        how: Any = st.sampled_from(["zeros", "wrap"])
        drawn["padding"] = draw(how | st.dictionaries(names, how))
        longest = draw(st.sets(names))
        drawn["truncate"] = {name: draw(st.sampled_from(groups[name])) for name in longest}
    return drawn


@st.composite
def plans(draw: st.DrawFn, specs: Specs, table: Table) -> Plan:
    """Draw a plan, some of whose branches are normalised by any center and scale."""
    plan = json.loads(Plan(specs, **draw(options(table))).to_text())
    for step in plan["steps"]:
        if step["op"] == "scale" and draw(st.booleans()):
            kept = {key: step[key] for key in ("op", "in", "out", "clip") if key in step}
            numbers: dict[str, Any] = {"center": draw(CENTERS), "scale": draw(SCALES)}
            if draw(st.integers(0, 9)) == 0:
                numbers = dict.fromkeys(numbers)
            step.clear()
            step.update(kept, normalize=draw(st.sampled_from(["standard", "robust"])), **numbers)
    return Plan.from_text(json.dumps(plan))
