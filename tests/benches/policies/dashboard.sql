-- A million violations as a month of work leaves them: by 1,000 actors against 20 policies, of four
-- severities; a tenth open, a tenth acknowledged, the others resolved. $1 is the tenant.
insert into violation_views (tenant_id, generation, violation_id, session_id, event_id,
    sequence_number, actor_id, agent_id, policy, policy_version, policy_hash, control, rule, severity,
    reason, explanation, event_hash, risk_score, detected_at, due_at, auto_escalate_to, status,
    escalation_level, escalated_to, auto_escalated, acknowledged_at, resolved_at, resolution, actions,
    version, detected_position, position)
select $1, p.generation, gen_random_uuid(), md5((i / 100)::text)::uuid, gen_random_uuid(), i,
    'actor-' || h.ash % 1000, 'agent-' || i % 50, 'policy-' || h.ash / 1000 % 20, '1.0.0',
    'sha256:' || repeat('ab', 32), 'control-' || i % 10, null,
    (array['critical', 'high', 'medium', 'low'])[1 + h.ash / 20000 % 4], 'amount: payload.args.amount: greater',
    '{"op":"or","result":false,"items":[{"rule":"holds","left":"payload.args.amount","op":"<=","result":false,"left_value":98,"right":97,"reason":"greater"}]}',
    repeat('cd', 32), null, d.at, d.at + interval '24 hours', null, s.status, 0, null, false,
    case when s.status <> 'OPEN' then d.at + interval '20 minutes' end,
    case when s.status = 'RESOLVED' then d.at + interval '1 hour' * (i % 30) end, null, 1, 1, 1000 + i,
    1000 + i
from projections p, generate_series(0, $2::int8 - 1) i
cross join lateral (select hashint8(i)::int8 & 2147483647 as ash) h
cross join lateral (select now() - interval '29 days' * (i::float8 / $2) as at) d
cross join lateral (select case h.ash / 80000 % 10 when 0 then 'OPEN' when 1 then 'ACKNOWLEDGED'
                           else 'RESOLVED' end as status) s
where p.name = 'violations'
