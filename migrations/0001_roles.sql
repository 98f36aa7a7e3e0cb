-- Roles are the cluster's, not the database's: several databases of one cluster share them.
-- The server logs in as some role that is a member of these two and switches to one per connection.
do $$
begin
    create role exhibit_server nologin;
exception when duplicate_object or unique_violation then null;
end $$;

do $$
begin
    create role exhibit_reader nologin;
exception when duplicate_object or unique_violation then null;
end $$;

-- The one who migrates may act as the server, so that a single login is enough in development.
do $$
begin
    execute format('grant exhibit_server, exhibit_reader to %I', current_user);
exception when others then
    -- A superuser needs no grant, and may not be granted to itself on every version.
    if not (select rolsuper from pg_roles where rolname = current_user) then
        raise;
    end if;
end $$;

do $$
begin
    execute format('grant usage on schema %I to exhibit_server, exhibit_reader', current_schema());
end $$;

-- The tenant that the reader's connection speaks for; set per transaction.
create function exhibit_tenant() returns uuid language sql stable as
    $$ select nullif(current_setting('exhibit.tenant_id', true), '')::uuid $$;

-- Refuses what an append-only table never sees, whoever asks: the owner, too.
create function exhibit_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% on % is refused: the table is append-only', tg_op, tg_table_name
        using errcode = 'insufficient_privilege';
end $$;
