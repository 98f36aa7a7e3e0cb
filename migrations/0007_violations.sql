-- Violations: what makes each one single, what was done about it, and what the judge has seen.

-- One row a violation, by what it is about: who evaluates again, finds it taken.
create table violation_keys (
    tenant_id uuid not null,
    dedup_key bytea not null check (length(dedup_key) = 32),
    violation_id uuid not null,
    primary key (tenant_id, dedup_key)
);

-- What people (and the clock) have done about a violation, in order; written with the event.
create table violation_actions (
    tenant_id uuid not null,
    violation_id uuid not null,
    -- 1, 2, 3 … within the violation; 1 is its detection.
    number bigint not null check (number > 0),
    action text not null,
    actor text not null,
    at timestamptz not null,
    details json not null,
    -- Position of the event in the tenant's log.
    position bigint not null,
    primary key (tenant_id, violation_id, number)
);

create trigger violation_keys_append_only before update or delete or truncate on violation_keys
    for each statement execute function exhibit_refuse_change();
create trigger violation_actions_append_only before update or delete or truncate on violation_actions
    for each statement execute function exhibit_refuse_change();

-- What the judge has found and must remember. Rows carry a generation, as read models do.

-- Rolling windows of thresholds.
create table policy_windows (
    tenant_id uuid not null,
    generation int not null,
    policy text not null,
    policy_version text not null,
    control text not null,
    -- The actor of a percentage; empty for the others.
    actor text not null,
    state json not null,
    primary key (tenant_id, generation, policy, policy_version, control, actor)
) with (fillfactor = 50);

-- Personal data by type and place; never the text that matched.
create table pii_findings (
    tenant_id uuid not null,
    generation int not null,
    session_id uuid not null,
    sequence_number bigint not null,
    detector text not null,
    pointer text not null,
    matches int not null,
    primary key (tenant_id, generation, session_id, sequence_number, detector, pointer)
);
create table session_pii (
    tenant_id uuid not null,
    generation int not null,
    session_id uuid not null,
    detector text not null,
    matches bigint not null,
    primary key (tenant_id, generation, session_id, detector)
) with (fillfactor = 70);
create table pii_totals (
    tenant_id uuid not null,
    generation int not null,
    detector text not null,
    sessions bigint not null,
    matches bigint not null,
    primary key (tenant_id, generation, detector)
) with (fillfactor = 50);

-- Who called which tool, and whether the policies of that moment allowed it.
create table tool_uses (
    tenant_id uuid not null,
    generation int not null,
    session_id uuid not null,
    sequence_number bigint not null,
    event_id uuid not null,
    tool_name text not null,
    actor_id text,
    -- Byte for byte as it was sent.
    timestamp_wall text not null,
    received_at timestamptz not null,
    args_summary text not null,
    -- What call and result have in common, hashed.
    join_hash bytea not null,
    -- Of the result, null while there is none.
    status text,
    duration_ms double precision,
    -- Null when no policy applied.
    allowed boolean,
    -- `name@version` of the policies that judged, and `policy/control` of what was broken.
    judged_by text[] not null,
    broken text[] not null,
    -- Of the append that brought it.
    position bigint not null,
    primary key (tenant_id, generation, session_id, sequence_number)
) with (fillfactor = 80);
create index tool_uses_open on tool_uses (tenant_id, generation, session_id) where status is null;
create index tool_uses_by_position on tool_uses
    (tenant_id, generation, position desc, session_id, sequence_number desc);

-- The read model of violations, and what it adds up to.
create table violation_views (
    tenant_id uuid not null,
    generation int not null,
    violation_id uuid not null,
    session_id uuid not null,
    event_id uuid not null,
    sequence_number bigint not null,
    actor_id text,
    agent_id text not null,
    policy text not null,
    policy_version text not null,
    policy_hash text not null,
    control text not null,
    rule text,
    severity text not null,
    reason text not null,
    explanation json not null,
    event_hash text not null,
    risk_score double precision,
    detected_at timestamptz not null,
    due_at timestamptz,
    auto_escalate_to text,
    status text not null,
    escalation_level int not null,
    escalated_to text,
    auto_escalated boolean not null,
    acknowledged_at timestamptz,
    resolved_at timestamptz,
    resolution text,
    actions bigint not null,
    -- Events of the violation.
    version bigint not null,
    -- Of the detection: the order of lists. And of the last event.
    detected_position bigint not null,
    position bigint not null,
    primary key (tenant_id, generation, violation_id)
) with (fillfactor = 70);
create index violation_views_by_age on violation_views
    (tenant_id, generation, detected_position desc);
create index violation_views_by_session on violation_views
    (tenant_id, generation, session_id, sequence_number);
create index violation_views_by_policy on violation_views
    (tenant_id, generation, policy, detected_position desc);
create index violation_views_by_actor on violation_views
    (tenant_id, generation, actor_id, detected_position desc);
create index violation_views_due on violation_views (tenant_id, generation, due_at)
    where status <> 'RESOLVED';

-- By the hour of detection, in UTC: how many, and what became of them.
create table violation_hours (
    tenant_id uuid not null,
    generation int not null,
    hour timestamptz not null,
    policy text not null,
    severity text not null,
    detected bigint not null,
    open bigint not null,
    acknowledged bigint not null,
    resolved bigint not null,
    resolved_in_time bigint not null,
    resolved_late bigint not null,
    -- Those that were acknowledged, at whatever state they are now, and how long it took.
    ever_acknowledged bigint not null,
    acknowledge_micros bigint not null,
    resolve_micros bigint not null,
    primary key (tenant_id, generation, hour, policy, severity)
) with (fillfactor = 70);
-- The same by day, for what looks back a month.
create table violation_days (
    tenant_id uuid not null,
    generation int not null,
    day timestamptz not null,
    policy text not null,
    detected bigint not null,
    resolved bigint not null,
    ever_acknowledged bigint not null,
    acknowledge_micros bigint not null,
    resolve_micros bigint not null,
    primary key (tenant_id, generation, day, policy)
) with (fillfactor = 70);
create table violation_actor_days (
    tenant_id uuid not null,
    generation int not null,
    day timestamptz not null,
    -- Empty for events that named nobody.
    actor_id text not null,
    detected bigint not null,
    primary key (tenant_id, generation, day, actor_id)
) with (fillfactor = 70);
-- Not resolved, by state.
create table violation_states (
    tenant_id uuid not null,
    generation int not null,
    status text not null,
    severity text not null,
    violations bigint not null,
    primary key (tenant_id, generation, status, severity)
) with (fillfactor = 50);
-- Not resolved, by the hour in which they are due.
create table violation_due (
    tenant_id uuid not null,
    generation int not null,
    hour timestamptz not null,
    severity text not null,
    violations bigint not null,
    primary key (tenant_id, generation, hour, severity)
) with (fillfactor = 70);

insert into projections (name, generation, last_generation)
values ('judgement', 1, 1), ('violations', 1, 1);

do $$
declare t text;
begin
    foreach t in array array['violation_keys', 'violation_actions', 'policy_windows', 'pii_findings',
                             'session_pii', 'pii_totals', 'tool_uses', 'violation_views',
                             'violation_hours', 'violation_days', 'violation_actor_days',
                             'violation_states',
                             'violation_due'] loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy server on %I to exhibit_server using (true) with check (true)', t);
        execute format('create policy reader on %I for select to exhibit_reader
                        using (tenant_id = exhibit_tenant())', t);
        execute format('grant select, insert on %I to exhibit_server', t);
        execute format('grant select on %I to exhibit_reader', t);
        if t not in ('violation_keys', 'violation_actions') then
            execute format('grant update, delete on %I to exhibit_server', t);
        end if;
    end loop;
end $$;
