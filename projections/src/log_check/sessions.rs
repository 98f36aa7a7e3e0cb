//! What a log says of its sessions, held against their heads, their records and their seals.

/// Begins a statement with `told`: each domain event of a session, with the numbers of the records
/// that it speaks of and the hash of the last.
///
/// A payload that somebody has changed may hold anything: what cannot be read is null, and a fault
/// of its own, so that it does not end the check. `offset 0` keeps the planner from writing an
/// expression out wherever its name stands: each payload would be parsed ten times.
macro_rules! told {
    ($($rest:literal)+) => { concat!("
with said as (
    select position, aggregate_id, sequence, event_type,
           case event_type when 'session.started' then '0'
                           when 'session.events_appended' then payload ->> 'first_sequence'
                           when 'session.sealed' then payload ->> 'sequence_number' end as first,
           case event_type when 'session.started' then '-1'
                           when 'session.events_appended' then payload ->> 'last_sequence'
                           when 'session.sealed' then payload ->> 'sequence_number' end as last,
           case event_type when 'session.events_appended' then payload ->> 'count' else '1'
           end as count,
           case event_type when 'session.events_appended' then payload ->> 'head_hash'
                           when 'session.sealed' then payload ->> 'seal_event_hash' end as hash,
           payload -> 'types' -> 'SESSION_END' is not null as ends,
           event_type = 'session.sealed' or payload -> 'types' -> 'CHAIN_SEAL' is not null as seals
    from events where tenant_id = $1 and aggregate_type = 'session' offset 0
), read as (
    select *, coalesce(first ~ '^[0-9]{1,18}$' and last ~ '^(-1|[0-9]{1,18})$', false)
              and (event_type = 'session.started' or hash is not null) as is_readable
    from said offset 0
), told as (
    select position, aggregate_id, sequence, event_type, count, hash, ends, seals, is_readable,
           case when is_readable then first::bigint end as first,
           case when is_readable then last::bigint end as last
    from read
)", $($rest),+) };
}

/// Each append begins where the one before has ended, and counts right.
pub(super) const APPENDS: &str = told!(
    "
select f.kind, event.position, 'session/' || event.aggregate_id as aggregate, f.expected, f.found
from (
    select *, lag(last, 1, -1::bigint) over (partition by aggregate_id order by sequence) as before
    from told
) as event
cross join lateral (values
    ('event_unreadable', not is_readable, 'numbers and hash of its records', event_type),
    ('append_gap', first <> before + 1, 'from record ' || before + 1, 'from record ' || first),
    ('append_count', event_type <> 'session.started' and is_readable
         and count is distinct from (last - first + 1)::text,
     (last - first + 1)::text, coalesce(count, 'none'))
) f(kind, is_fault, expected, found)
where f.is_fault"
);

/// The head row of each session is what its last event says.
pub(super) const HEADS: &str = told!(
    ", tip as (
    select distinct on (aggregate_id) aggregate_id, position, sequence as version, is_readable,
           last + 1 as next_sequence, hash,
           case when bool_or(seals) over session then 'sealed'
                when bool_or(ends) over session then 'ended' else 'active' end as phase
    from told window session as (partition by aggregate_id)
    order by aggregate_id, sequence desc
), head as (
    select session_id::text as aggregate_id, version, next_sequence, encode(head_hash, 'hex') as hash,
           phase
    from session_heads where tenant_id = $1
)
select f.kind, tip.position, 'session/' || aggregate_id as aggregate, f.expected,
       coalesce(f.found, 'none') as found
from tip full join head using (aggregate_id)
cross join lateral (values
    ('session_head_missing', head.version is null, 'a head at version ' || tip.version, 'none'),
    ('session_unlogged', tip.version is null, 'no head without events',
     'a head at version ' || head.version),
    ('session_version', head.version <> tip.version, tip.version::text, head.version::text),
    ('session_next_sequence', head.next_sequence <> tip.next_sequence,
     tip.next_sequence::text, head.next_sequence::text),
    ('session_head_hash', head.version is not null and tip.is_readable
         and head.hash is distinct from tip.hash, coalesce(tip.hash, 'none'), head.hash),
    ('session_phase', head.phase <> tip.phase, tip.phase, head.phase)
) f(kind, is_fault, expected, found)
where f.is_fault"
);

/// The records that the events speak of are stored, and no others.
///
/// Numbers are unique: a session whose records are as many as its events say, the first number 0
/// and the last one the last, has each. Only where that is not so, each append is counted.
pub(super) const RECORDS: &str = told!(
    ", stored as (
    select session_id, count(*) as records, min(sequence_number) as first,
           max(sequence_number) as last
    from evidence_events where tenant_id = $1 group by session_id
), logged as (
    select aggregate_id, max(last) + 1 as records from told group by aggregate_id
), suspect as (
    select coalesce(l.aggregate_id, s.session_id::text) as aggregate_id, s.session_id,
           coalesce(s.records, 0) as records
    from logged l full join stored s on s.session_id::text = l.aggregate_id
    where coalesce(s.records, 0) <> coalesce(l.records, 0) or s.first <> 0
       or s.last <> l.records - 1
), append as (
    select t.position, t.aggregate_id, t.first, t.last,
           (select count(*) from evidence_events e
            where e.tenant_id = $1 and e.session_id = s.session_id
              and e.sequence_number between t.first and t.last) as records
    from suspect s join told t using (aggregate_id) where t.first <= t.last
)
select 'records_missing' as kind, position, 'session/' || aggregate_id as aggregate,
       'records ' || first || ' to ' || last as expected,
       records || ' of ' || last - first + 1 as found
from append where records <> last - first + 1
union all
select 'records_unlogged', null, 'session/' || s.aggregate_id,
       coalesce(a.records, 0)::text, s.records::text
from suspect s
left join (select aggregate_id, sum(records) as records from append group by 1) as a
    using (aggregate_id)
where s.records > coalesce(a.records, 0)"
);

/// Each seal that the server has made stands in the log, where its row says.
pub(super) const SEALS: &str = "
select f.kind, event.position, 'session/' || aggregate_id as aggregate, f.expected, f.found
from (
    select aggregate_id, position from events
    where tenant_id = $1 and aggregate_type = 'session' and event_type = 'session.sealed'
) as event
full join (
    select session_id::text as aggregate_id, position from session_seals where tenant_id = $1
) as seal using (aggregate_id)
cross join lateral (values
    ('seal_missing', seal.position is null, 'a seal at position ' || event.position, 'none'),
    ('seal_unlogged', event.position is null, 'no seal without its event',
     'a seal at position ' || seal.position),
    ('seal_position', seal.position <> event.position, event.position::text, seal.position::text)
) f(kind, is_fault, expected, found)
where f.is_fault";
