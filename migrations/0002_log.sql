-- The log: every domain event of every aggregate, in one dense order per tenant.
--
-- The columns that postgres-es knows keep its names, so that anyone can read both kinds of writer.

create table tenant_heads (
    tenant_id uuid primary key,
    -- Changes only when a log is restored or moved with loss, which resets every old cursor.
    epoch text not null check (epoch ~ '^[a-z2-7]{8}$'),
    -- The position of the last event; the row's lock is what makes positions commit in order.
    position bigint not null check (position >= 0)
) with (fillfactor = 50);

-- 40 random bits in the base32 alphabet of RFC 4648, lower case.
create function exhibit_epoch() returns text language sql volatile as $$
    select string_agg(substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (get_byte(random, i) & 31), 1), '')
    -- Bytes 6 and 8 of a version 4 UUID carry version and variant.
    from (select uuid_send(gen_random_uuid()) as random) as r, unnest(array[0,1,2,3,4,5,9,10]) as i
$$;

create table events (
    tenant_id uuid not null,
    position bigint not null check (position > 0),
    aggregate_type text not null,
    aggregate_id text not null,
    sequence bigint not null check (sequence >= 0),
    event_type text not null,
    event_version text not null,
    payload json not null,
    metadata json not null,
    timestamp timestamptz not null default current_timestamp,
    primary key (tenant_id, aggregate_type, aggregate_id, sequence),
    unique (tenant_id, position)
);

-- Aggregates that postgres-es writes: it names neither tenant nor position, the trigger does.
create index events_quiet on events (aggregate_type, aggregate_id, sequence)
    where aggregate_type not in ('session', 'violation');
create view quiet_events as
    select aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
           tenant_id, position
    from events
    where aggregate_type not in ('session', 'violation');

-- Gives an event its tenant (from the metadata, which the server writes) and the next position.
create function exhibit_place_event() returns trigger language plpgsql as $$
begin
    new.tenant_id := (new.metadata ->> 'tenant_id')::uuid;
    insert into tenant_heads as h (tenant_id, epoch, position)
    values (new.tenant_id, exhibit_epoch(), 1)
    on conflict (tenant_id) do update set position = h.position + 1
    returning h.position into new.position;
    return new;
end $$;
create trigger events_place before insert on events
    for each row when (new.position is null) execute function exhibit_place_event();

create trigger events_append_only before update or delete or truncate on events
    for each statement execute function exhibit_refuse_change();

alter table events enable row level security;
create policy server on events to exhibit_server using (true) with check (true);
create policy reader on events for select to exhibit_reader using (tenant_id = exhibit_tenant());
alter table tenant_heads enable row level security;
create policy server on tenant_heads to exhibit_server using (true) with check (true);
create policy reader on tenant_heads for select to exhibit_reader using (tenant_id = exhibit_tenant());

-- The view checks the rights of whoever asks, not of its owner.
alter view quiet_events set (security_invoker = true);
grant select, insert on events, quiet_events to exhibit_server;
grant select, insert, update on tenant_heads to exhibit_server;
grant select on events, tenant_heads to exhibit_reader;
