-- Whose turn it is: when each tenant's exports were last worked on.

create index exports_by_turn on exports (tenant_id, touched_at desc);
