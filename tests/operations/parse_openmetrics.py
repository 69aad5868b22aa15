"""Reads OpenMetrics as Prometheus' own library does, and prints how many samples there were."""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

families = list(text_string_to_metric_families(sys.stdin.read()))
names = [family.name for family in families]
assert len(names) == len(set(names)), "a family is there twice"
for family in families:
    assert family.documentation, f"{family.name} says nothing of itself"
print(sum(len(family.samples) for family in families))
