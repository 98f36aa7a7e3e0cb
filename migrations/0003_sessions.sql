-- Sessions, their heads, their evidence.

-- What a session was started with; never changes.
create table sessions (
    tenant_id uuid not null,
    session_id uuid not null,
    agent_id text not null,
    environment text,
    framework text,
    tags text[] not null,
    metadata json not null,
    ingestion_service_id text not null,
    started_at timestamptz not null,
    primary key (tenant_id, session_id)
);
create index sessions_by_start on sessions (tenant_id, started_at desc, session_id desc);
create index sessions_by_agent on sessions (tenant_id, agent_id, started_at desc, session_id desc);

-- The aggregate's closed-form state: a cache of the log that is compared-and-swapped by version.
-- No index on what changes, and room in the page, so that updates stay in place.
create table session_heads (
    tenant_id uuid not null,
    session_id uuid not null,
    version bigint not null,
    authority text not null,
    mode text not null,
    phase text not null,
    next_sequence bigint not null,
    head_hash bytea,
    has_session_end boolean not null,
    total_drops bigint not null,
    log_drops bigint not null,
    drop_window_start timestamptz,
    drop_window_count bigint not null,
    last_activity timestamptz not null,
    evidence_class text not null,
    primary key (tenant_id, session_id)
) with (fillfactor = 50);

create table evidence_events (
    tenant_id uuid not null,
    session_id uuid not null,
    sequence_number bigint not null check (sequence_number >= 0),
    event_id uuid not null,
    event_type text not null,
    timestamp_wall text not null,
    timestamp_monotonic double precision,
    source_sdk_ver text,
    schema_ver text not null,
    actor_id text,
    -- Canonical text. Not jsonb: that loses the bytes.
    payload text not null,
    payload_hash bytea not null,
    prev_event_hash bytea,
    event_hash bytea not null,
    signature_kid text not null,
    signature bytea not null,
    received_at timestamptz not null,
    primary key (tenant_id, session_id, sequence_number),
    constraint evidence_event_id_once unique (tenant_id, session_id, event_id)
);

create table session_seals (
    tenant_id uuid not null,
    session_id uuid not null,
    sequence_number bigint not null,
    seal json not null,
    seal_event_hash bytea not null,
    evidence_class text not null,
    partial_reasons text[] not null,
    envelope json not null,
    sealed_at timestamptz not null,
    -- Position of the session.sealed event.
    position bigint not null,
    primary key (tenant_id, session_id)
);

create trigger sessions_append_only before update or delete or truncate on sessions
    for each statement execute function exhibit_refuse_change();
create trigger evidence_append_only before update or delete or truncate on evidence_events
    for each statement execute function exhibit_refuse_change();
create trigger seals_append_only before update or delete or truncate on session_seals
    for each statement execute function exhibit_refuse_change();

alter table sessions enable row level security;
alter table session_heads enable row level security;
alter table evidence_events enable row level security;
alter table session_seals enable row level security;
create policy server on sessions to exhibit_server using (true) with check (true);
create policy server on session_heads to exhibit_server using (true) with check (true);
create policy server on evidence_events to exhibit_server using (true) with check (true);
create policy server on session_seals to exhibit_server using (true) with check (true);
create policy reader on sessions for select to exhibit_reader using (tenant_id = exhibit_tenant());
create policy reader on session_heads for select to exhibit_reader using (tenant_id = exhibit_tenant());
create policy reader on evidence_events for select to exhibit_reader using (tenant_id = exhibit_tenant());
create policy reader on session_seals for select to exhibit_reader using (tenant_id = exhibit_tenant());

grant select, insert on sessions, evidence_events, session_seals to exhibit_server;
grant select, insert, update on session_heads to exhibit_server;
grant select on sessions, session_heads, evidence_events, session_seals to exhibit_reader;
