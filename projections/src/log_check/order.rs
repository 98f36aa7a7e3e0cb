//! The order of a log: its head, its positions, the sequences of its aggregates.

/// Every tenant, and the position that its head names.
///
/// Tables that are large hop from one tenant to the next along their keys.
pub(super) const TENANTS: &str = "
with recursive with_events as (
    (select tenant_id from events order by 1 limit 1)
    union all
    select (select e.tenant_id from events e where e.tenant_id > t.tenant_id order by 1 limit 1)
    from with_events t where t.tenant_id is not null
), with_sessions as (
    (select tenant_id from session_heads order by 1 limit 1)
    union all
    select (select h.tenant_id from session_heads h where h.tenant_id > t.tenant_id
            order by 1 limit 1)
    from with_sessions t where t.tenant_id is not null
), with_records as (
    (select tenant_id from evidence_events order by 1 limit 1)
    union all
    select (select e.tenant_id from evidence_events e where e.tenant_id > t.tenant_id
            order by 1 limit 1)
    from with_records t where t.tenant_id is not null
)
select tenant_id, coalesce(h.position, 0) as head
from (
    select tenant_id from tenants
    union select tenant_id from tenant_heads
    union select tenant_id from with_events
    union select tenant_id from with_sessions
    union select tenant_id from with_records
) as known left join tenant_heads h using (tenant_id)
where tenant_id is not null order by tenant_id";

/// The head names the last position, and its epoch is one.
pub(super) const HEAD: &str = "
select f.kind, log.last as position, null::text as aggregate, f.expected, f.found
from (select coalesce(max(position), 0) as last from events where tenant_id = $1) log
left join tenant_heads h on h.tenant_id = $1
cross join lateral (values
    ('head_missing', h.tenant_id is null, 'a head at ' || log.last, 'none'),
    ('head_position', h.position <> log.last, log.last::text, h.position::text),
    ('epoch_malformed', h.epoch !~ '^[a-z2-7]{8}$', '8 characters of a-z2-7', h.epoch)
) f(kind, is_fault, expected, found)
where f.is_fault";

/// Positions are 1, 2, 3 … A hole of any size is one fault: of the event after it.
pub(super) const POSITIONS: &str = "
select case when position = before then 'position_repeated' else 'position_gap' end as kind,
       position, aggregate_type || '/' || aggregate_id as aggregate,
       (before + 1)::text as expected, position::text as found
from (
    select position, aggregate_type, aggregate_id,
           lag(position, 1, 0::bigint) over (order by position) as before
    from events where tenant_id = $1
) as event
where position <> before + 1";

/// Both stores number an aggregate's events from 1 on, and what comes later stands later.
pub(super) const SEQUENCES: &str = "
select f.kind, event.position, event.aggregate_type || '/' || event.aggregate_id as aggregate,
       f.expected, f.found
from (
    select position, aggregate_type, aggregate_id, sequence,
           lag(sequence, 1, 0::bigint) over one as sequence_before,
           lag(position, 1, 0::bigint) over one as position_before
    from events where tenant_id = $1
    window one as (partition by aggregate_type, aggregate_id order by sequence)
) as event
cross join lateral (values
    ('sequence_gap', sequence <> sequence_before + 1, (sequence_before + 1)::text, sequence::text),
    ('sequence_order', position <= position_before,
     'sequence ' || sequence || ' after position ' || position_before, position::text)
) f(kind, is_fault, expected, found)
where f.is_fault";
