//! Read models: what they say, that they follow, and that they can be thrown away.

mod aggregations;
mod following;
mod poison;
mod rebuilding;

use std::collections::BTreeMap;

use sqlx::{PgPool, Row};

/// Every read model with its tables and the columns that order their rows.
const TABLES: [(&str, &str); 17] = [
    ("tenants_and_keys", "tenants"),
    ("tenants_and_keys", "api_keys"),
    ("sessions", "session_views"),
    ("agents", "agents"),
    ("event_counts", "event_counts"),
    ("tool_usage", "tool_usage"),
    ("violations", "violation_views"),
    ("violations", "violation_hours"),
    ("violations", "violation_days"),
    ("violations", "violation_actor_days"),
    ("violations", "violation_states"),
    ("violations", "violation_due"),
    ("judgement", "policy_windows"),
    ("judgement", "pii_findings"),
    ("judgement", "session_pii"),
    ("judgement", "pii_totals"),
    ("judgement", "tool_uses"),
];

/// Names of all read models.
fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = TABLES.iter().map(|(name, _)| *name).collect();
    names.dedup();
    names
}

/// The served rows of every table, as text, without their generation.
async fn rows(database: &PgPool) -> BTreeMap<&'static str, Vec<String>> {
    let mut all = BTreeMap::new();
    for (name, table) in TABLES {
        let query = format!(
            "select (to_jsonb(t) - 'generation')::text from {table} t
             join projections p on p.name = '{name}' and p.generation = t.generation order by 1"
        );
        let rows = sqlx::query(&query).fetch_all(database).await.unwrap();
        all.insert(table, rows.iter().map(|row| row.get(0)).collect());
    }
    all
}
