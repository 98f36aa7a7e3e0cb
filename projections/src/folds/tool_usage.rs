//! How often tools were called, by hour and agent.

use std::collections::BTreeMap;

use domain::session::SessionEvent;
use sqlx::PgConnection;

use super::hour_of;
use crate::runner::{Batch, FoldError, Projection};

/// Folds into `tool_usage`.
pub struct ToolUsageProjection;

#[async_trait::async_trait]
impl Projection for ToolUsageProjection {
    fn name(&self) -> &'static str {
        "tool_usage"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["tool_usage"]
    }

    async fn fold(
        &self,
        connection: &mut PgConnection,
        batch: &Batch,
        generation: i32,
    ) -> Result<(), FoldError> {
        let mut calls: BTreeMap<_, i64> = BTreeMap::new();
        for entry in batch.sessions() {
            let (_, session, event) = entry?;
            let SessionEvent::Appended(appended) = event else { continue };
            let (hour, agent) = (hour_of(appended.at), batch.agent(session)?);
            for (tool, count) in &appended.tools {
                *calls.entry((hour, agent, tool.as_str())).or_default() += *count as i64;
            }
        }
        if calls.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "insert into tool_usage as u (tenant_id, generation, hour, agent_id, tool_name, calls)
             select $1, $2, * from unnest($3::timestamptz[], $4::text[], $5::text[], $6::int8[])
             on conflict (tenant_id, generation, hour, agent_id, tool_name)
             do update set calls = u.calls + excluded.calls",
        )
        .bind(batch.tenant.0)
        .bind(generation)
        .bind(calls.keys().map(|(hour, _, _)| *hour).collect::<Vec<_>>())
        .bind(calls.keys().map(|(_, agent, _)| *agent).collect::<Vec<_>>())
        .bind(calls.keys().map(|(_, _, tool)| *tool).collect::<Vec<_>>())
        .bind(calls.into_values().collect::<Vec<_>>())
        .execute(connection)
        .await?;
        Ok(())
    }
}
