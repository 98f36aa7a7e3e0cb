-- Read models of tenants and keys, the followers' checkpoints, the seal's public keys.

-- How far a projection has followed a tenant's log.
create table projection_checkpoints (
    projection text not null,
    tenant_id uuid not null,
    position bigint not null,
    primary key (projection, tenant_id)
);

create table tenants (
    tenant_id uuid primary key,
    name text not null,
    suspended boolean not null,
    created_at timestamptz not null
);
create index tenants_by_name on tenants (name);

create table api_keys (
    key_id text primary key,
    tenant_id uuid not null,
    secret_hash bytea not null,
    label text not null,
    scopes text[] not null,
    expires_at timestamptz,
    -- CIDR blocks; empty is any address.
    ip_allow text[] not null,
    created_at timestamptz not null,
    revoked_at timestamptz
);
create index api_keys_by_tenant on api_keys (tenant_id, created_at desc, key_id);

-- Public halves of the keys that sign seals, with the window in which each did. Private halves are
-- never here.
create table seal_keys (
    kid text primary key,
    public_key bytea not null check (length(public_key) = 32),
    not_before timestamptz not null,
    not_after timestamptz
);
create unique index seal_keys_one_current on seal_keys ((true)) where not_after is null;

-- Which HMAC key signs events now; the keys themselves are never here.
create table evidence_keys (
    kid text primary key,
    not_before timestamptz not null,
    not_after timestamptz
);
create unique index evidence_keys_one_current on evidence_keys ((true)) where not_after is null;

-- The identity that seals name, made once for a database.
create table service_identity (
    singleton boolean primary key default true check (singleton),
    ingestion_service_id text not null
);
insert into service_identity (ingestion_service_id) values ('exhibit-' || exhibit_epoch());

alter table tenants enable row level security;
alter table api_keys enable row level security;
create policy server on tenants to exhibit_server using (true) with check (true);
create policy server on api_keys to exhibit_server using (true) with check (true);

grant select, insert, update, delete on projection_checkpoints, tenants, api_keys to exhibit_server;
grant select, insert, update on seal_keys, evidence_keys to exhibit_server;
grant select on service_identity to exhibit_server;
