-- Policies: every text that was ever drafted, where each version stands, backtests.

-- The rule text behind a hash, for ever: whoever holds a violation or a seal can ask for it.
create table policy_documents (
    tenant_id uuid not null,
    -- `sha256:` and 64 hex digits.
    content_hash text not null,
    document json not null,
    drafted_at timestamptz not null,
    primary key (tenant_id, content_hash)
);
create trigger policy_documents_append_only before update or delete or truncate on policy_documents
    for each statement execute function exhibit_refuse_change();

-- Where each version stands; written with the event that moves it, by the trigger below.
create table policy_versions (
    tenant_id uuid not null,
    name text not null,
    version text not null,
    status text not null check (status in ('DRAFT', 'REVIEW', 'ACTIVE', 'RETIRED')),
    content_hash text not null,
    -- Who drafted it or revised it last.
    author text not null,
    approver text,
    -- Of the last rejection or of the retirement.
    reason text,
    -- A backtest that was attached when it was submitted.
    backtest_id uuid,
    drafted_at timestamptz not null,
    changed_at timestamptz not null,
    activated_at timestamptz,
    retired_at timestamptz,
    -- Events that concern this version.
    revision bigint not null,
    -- Position of the last of them.
    position bigint not null,
    primary key (tenant_id, name, version)
);
-- Whatever the aggregate decides: two versions of a name are never in force at once.
create unique index unique_active_policy_per_name on policy_versions (tenant_id, name)
    where status = 'ACTIVE';
create index policy_versions_by_position on policy_versions (tenant_id, position);

-- Follows the events of policies inside their own transaction, so that the index above stops an
-- event, too, that went around the aggregate.
create function exhibit_place_policy() returns trigger language plpgsql as $$
declare
    of_version text := new.payload ->> 'version';
    by_whom text := new.payload ->> 'by';
    at_time timestamptz := (new.payload ->> 'at')::timestamptz;
begin
    if new.event_type in ('policy.drafted', 'policy.revised') then
        insert into policy_documents (tenant_id, content_hash, document, drafted_at)
        values (new.tenant_id, new.payload ->> 'content_hash', new.payload -> 'document', at_time)
        on conflict do nothing;
    end if;
    if new.event_type = 'policy.drafted' then
        insert into policy_versions (tenant_id, name, version, status, content_hash, author,
                                     drafted_at, changed_at, revision, position)
        values (new.tenant_id, new.payload ->> 'name', of_version, 'DRAFT',
                new.payload ->> 'content_hash', by_whom, at_time, at_time, 1, new.position);
        return null;
    end if;
    update policy_versions set
        status = case new.event_type
            when 'policy.revised' then 'DRAFT'
            when 'policy.submitted' then 'REVIEW'
            when 'policy.rejected' then 'DRAFT'
            when 'policy.activated' then 'ACTIVE'
            when 'policy.retired' then 'RETIRED'
        end,
        content_hash = coalesce(new.payload ->> 'content_hash', content_hash),
        author = case when new.event_type = 'policy.revised' then by_whom else author end,
        approver = case when new.event_type = 'policy.activated' then by_whom else approver end,
        reason = coalesce(new.payload ->> 'reason', reason),
        backtest_id = case when new.event_type = 'policy.submitted'
            then (new.payload ->> 'backtest_id')::uuid else backtest_id end,
        activated_at = case when new.event_type = 'policy.activated' then at_time
            else activated_at end,
        retired_at = case when new.event_type = 'policy.retired' then at_time else retired_at end,
        changed_at = at_time, revision = revision + 1, position = new.position
    where tenant_id = new.tenant_id and name = new.payload ->> 'name' and version = of_version;
    if not found then
        raise exception 'there is no version % to which % could happen', of_version, new.event_type
            using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;
create trigger events_place_policy after insert on events
    for each row when (new.aggregate_type = 'policy') execute function exhibit_place_policy();

-- What a version would have done to stored history, beside the active one.
create table backtests (
    tenant_id uuid not null,
    backtest_id uuid not null,
    name text not null,
    version text not null,
    content_hash text not null,
    -- The version that was active when it began, if one was.
    against_version text,
    against_hash text,
    status text not null check (status in ('running', 'completed', 'cancelled', 'failed')),
    cancel_asked boolean not null default false,
    events_total bigint not null,
    events_done bigint not null,
    report json,
    -- Why it failed.
    reason text,
    created_by text not null,
    created_at timestamptz not null,
    -- The worker says so often that it lives; a silent one has died.
    touched_at timestamptz not null,
    finished_at timestamptz,
    primary key (tenant_id, backtest_id)
);
create index backtests_by_policy on backtests (tenant_id, name, version, created_at desc);

do $$
declare t text;
begin
    foreach t in array array['policy_documents', 'policy_versions', 'backtests'] loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy server on %I to exhibit_server using (true) with check (true)', t);
        execute format('create policy reader on %I for select to exhibit_reader
                        using (tenant_id = exhibit_tenant())', t);
        execute format('grant select, insert on %I to exhibit_server', t);
        execute format('grant select on %I to exhibit_reader', t);
    end loop;
end $$;
grant update on policy_versions, backtests to exhibit_server;
