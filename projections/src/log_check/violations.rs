//! Violations: each has its key, and a line in its action log for each of its events.

pub(super) const VIOLATIONS: &str = "
select f.kind, logged.position, 'violation/' || id as aggregate, f.expected, f.found
from (
    select aggregate_id as id, min(position) as position, count(*) as events
    from events where tenant_id = $1 and aggregate_type = 'violation' group by 1
) as logged
full join (
    select violation_id::text as id, count(*) as keys
    from violation_keys where tenant_id = $1 group by 1
) as keyed using (id)
full join (
    select violation_id::text as id, count(*) as lines
    from violation_actions where tenant_id = $1 group by 1
) as acted using (id)
cross join lateral (values
    ('violation_key_missing', logged.id is not null and coalesce(keyed.keys, 0) <> 1, '1 key',
     coalesce(keyed.keys, 0) || ' keys'),
    ('violation_unlogged', logged.id is null, 'no violation without its events', 'none'),
    ('violation_actions', logged.id is not null and coalesce(acted.lines, 0) <> logged.events,
     logged.events || ' lines of its action log', coalesce(acted.lines, 0) || ' lines')
) f(kind, is_fault, expected, found)
where f.is_fault";
