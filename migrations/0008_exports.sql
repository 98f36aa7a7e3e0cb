-- Everything that leaves: what is being made in the background, and how to find who took what.

-- What a server makes while its client polls; written with the event that moves it, by the trigger
-- below. Who makes it says every now and then that it lives, so that another can take its place.
create table exports (
    tenant_id uuid not null,
    export_id uuid not null,
    kind text not null,
    -- The order, as it stands in the event.
    ordered json not null,
    status text not null
        check (status in ('queued', 'running', 'completed', 'failed', 'expired')),
    requested_by text not null,
    requested_at timestamptz not null,
    -- Of the request in the tenant's log: what is exported was in the log before.
    position bigint not null,
    -- Counts, files and the manifest's hash.
    made json,
    -- Why it failed.
    reason text,
    finished_at timestamptz,
    -- How often its making was begun; who makes it names its attempt.
    attempts int not null default 0,
    touched_at timestamptz,
    primary key (tenant_id, export_id)
);
create index exports_unfinished on exports (requested_at) where status in ('queued', 'running');
create index exports_finished on exports (finished_at) where status = 'completed';
create index exports_by_age on exports (tenant_id, kind, position desc);

create function exhibit_place_export() returns trigger language plpgsql as $$
declare
    at_time timestamptz := (new.payload ->> 'at')::timestamptz;
begin
    if new.event_type = 'export.requested' then
        insert into exports (tenant_id, export_id, kind, ordered, status, requested_by,
                             requested_at, position)
        values (new.tenant_id, new.aggregate_id::uuid, new.payload -> 'order' ->> 'kind',
                new.payload -> 'order', 'queued', new.payload ->> 'by', at_time, new.position);
        return null;
    end if;
    update exports set
        status = case new.event_type
            when 'export.created' then 'completed'
            when 'export.failed' then 'failed'
            when 'export.expired' then 'expired'
            else status
        end,
        made = coalesce(new.payload -> 'made', made),
        reason = coalesce(new.payload ->> 'reason', reason),
        finished_at = case when new.event_type in ('export.created', 'export.failed') then at_time
            else finished_at end
    where tenant_id = new.tenant_id and export_id = new.aggregate_id::uuid;
    return null;
end $$;
-- The answer to a request is made while it is sent, and has no row.
create trigger events_place_export after insert on events
    for each row when (new.aggregate_type = 'export'
                       and new.payload -> 'order' ->> 'kind' <> 'session')
    execute function exhibit_place_export();

create index events_of_exports on events (tenant_id, position desc)
    where aggregate_type = 'export';
-- The session that an act is about, for its chain of custody; empty when it is about many.
create function exhibit_exported_session(payload json) returns text language sql immutable as $$
    select coalesce(payload -> 'order' ->> 'session_id',
                    payload -> 'order' -> 'filters' ->> 'session_id',
                    payload -> 'verdict' ->> 'session_id', '')
$$;
create index events_of_exports_by_session on events
    (tenant_id, exhibit_exported_session(payload), position desc)
    where aggregate_type = 'export';

-- Sessions of which a selection held something: their custody names it, and no other's does.
create table export_sessions (
    tenant_id uuid not null,
    session_id uuid not null,
    export_id uuid not null,
    primary key (tenant_id, session_id, export_id)
);

do $$
declare t text;
begin
    foreach t in array array['exports', 'export_sessions'] loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy server on %I to exhibit_server using (true) with check (true)', t);
        execute format('create policy reader on %I for select to exhibit_reader
                        using (tenant_id = exhibit_tenant())', t);
        execute format('grant select, insert on %I to exhibit_server', t);
        execute format('grant select on %I to exhibit_reader', t);
    end loop;
end $$;
grant update on exports to exhibit_server;
