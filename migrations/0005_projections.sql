-- Read models that follow the log.
--
-- Rows carry the generation that they belong to: a rebuild writes the next one beside the one that
-- is served, and swaps by changing one number. `projections` says which one is served.

create table projections (
    name text primary key,
    generation int not null,
    -- The generation that a rebuild is writing, if one is. Who writes into another is not it any more.
    building int,
    -- Of all that were ever begun: a number is used once.
    last_generation int not null
);
insert into projections (name, generation, last_generation)
    select name, 1, 1
    from unnest(array['tenants_and_keys', 'sessions', 'agents', 'event_counts', 'tool_usage']) as name;

-- How far a generation has followed a tenant's log.
create table projection_progress (
    tenant_id uuid not null,
    projection text not null references projections,
    generation int not null,
    position bigint not null check (position >= 0),
    -- The event that cannot be folded, and why: the generation stands still before it.
    stopped_at bigint,
    stopped_reason text,
    primary key (tenant_id, projection, generation)
) with (fillfactor = 50);
insert into projection_progress (tenant_id, projection, generation, position)
    select tenant_id, 'tenants_and_keys', 1, position from projection_checkpoints
    where projection = 'tenants_and_keys';
drop table projection_checkpoints;

alter table tenants add column generation int not null default 1;
alter table tenants drop constraint tenants_pkey, add primary key (tenant_id, generation);
alter table tenants alter column generation drop default;
alter table api_keys add column generation int not null default 1;
alter table api_keys drop constraint api_keys_pkey, add primary key (key_id, generation);
alter table api_keys alter column generation drop default;

-- What the events of a session add up to.
create table session_views (
    tenant_id uuid not null,
    generation int not null,
    session_id uuid not null,
    agent_id text not null,
    environment text,
    framework text,
    chain_authority text not null,
    -- `active`, `ended` or `sealed`.
    phase text not null,
    evidence_class text not null,
    has_session_end boolean not null,
    event_count bigint not null,
    dropped bigint not null,
    log_drops bigint not null,
    tool_calls bigint not null,
    started_at timestamptz not null,
    last_event_at timestamptz,
    sealed_at timestamptz,
    -- Of the last event that was folded.
    position bigint not null,
    primary key (tenant_id, generation, session_id)
) with (fillfactor = 70);
create index session_views_by_start on session_views (tenant_id, generation, started_at);

create table agents (
    tenant_id uuid not null,
    generation int not null,
    agent_id text not null,
    sessions bigint not null,
    sealed_sessions bigint not null,
    events bigint not null,
    dropped bigint not null,
    tool_calls bigint not null,
    first_seen timestamptz not null,
    last_seen timestamptz not null,
    primary key (tenant_id, generation, agent_id)
) with (fillfactor = 70);

-- Evidence events by the hour of their acceptance, in UTC.
create table event_counts (
    tenant_id uuid not null,
    generation int not null,
    hour timestamptz not null,
    agent_id text not null,
    event_type text not null,
    events bigint not null,
    primary key (tenant_id, generation, hour, agent_id, event_type)
) with (fillfactor = 70);

create table tool_usage (
    tenant_id uuid not null,
    generation int not null,
    hour timestamptz not null,
    agent_id text not null,
    tool_name text not null,
    calls bigint not null,
    primary key (tenant_id, generation, hour, agent_id, tool_name)
) with (fillfactor = 70);

-- History narrowed to a rare type; appends are most of a log, and found without.
create index events_by_type on events (tenant_id, event_type, position)
    where event_type <> 'session.events_appended';

-- Tickets for one stream each, by the hash of what the client holds.
create table stream_tickets (
    ticket_hash bytea primary key,
    tenant_id uuid not null,
    key_id text not null,
    expires_at timestamptz not null
);
create index stream_tickets_by_expiry on stream_tickets (expires_at);

do $$
declare t text;
begin
    foreach t in array array['session_views', 'agents', 'event_counts', 'tool_usage',
                             'projection_progress'] loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy server on %I to exhibit_server using (true) with check (true)', t);
        execute format('create policy reader on %I for select to exhibit_reader
                        using (tenant_id = exhibit_tenant())', t);
        execute format('grant select, insert, update, delete on %I to exhibit_server', t);
        execute format('grant select on %I to exhibit_reader', t);
    end loop;
end $$;
grant select, update on projections to exhibit_server;
grant select on projections to exhibit_reader;
alter table stream_tickets enable row level security;
create policy server on stream_tickets to exhibit_server using (true) with check (true);
grant select, insert, delete on stream_tickets to exhibit_server;
