//! What the judge has found in a session, as exports carry it.

use std::collections::HashMap;

use application::PortError;
use domain::evidence::tool_access::ToolAccess;
use domain::ids::SessionId;
use futures::Stream;
use projections::judgement::ToolUseRow;
use projections::sessions::SessionRow;
use serde_json::{Value, json};

use super::judged::{self, Judged};
use crate::exports::OnBehalf;
use crate::min_position::Source;
use crate::problem::Problem;
use crate::routes::violations::ViolationView;
use crate::state::App;

/// Rows that are read at a time.
const PIECE_ROWS: i64 = 2_000;

/// Waits until the session's events are judged and what was found can be read, but not for ever: the
/// export says what it has.
pub(super) async fn wait_for_judgement(
    app: &App,
    of: &OnBehalf,
    row: &SessionRow,
) -> Result<Judged, Problem> {
    Source::Judged.reach(app, of.tenant, row.position).await?;
    judged::of_one(app, of.tenant, row).await
}

/// Personal data by kind and place, of the events before a number.
pub(super) async fn matches(
    app: &App,
    of: &OnBehalf,
    session: SessionId,
    end: u64,
) -> Result<Vec<Value>, PortError> {
    let mut matches = Vec::new();
    let mut last = None;
    loop {
        let piece = app.reads.findings(of.tenant, session, last.as_ref(), PIECE_ROWS).await;
        let piece = piece.map_err(|e| PortError::new("reading personal data", e))?;
        let before = piece.iter().filter(|found| (found.sequence_number as u64) < end);
        matches.extend(before.map(|found| json!(found)));
        if (piece.len() as i64) < PIECE_ROWS {
            return Ok(matches);
        }
        last = piece.into_iter().last();
    }
}

/// The session's uses of tools, with what the policies said of each, as far as it was judged.
pub(super) async fn tool_access(
    app: &App,
    of: &OnBehalf,
    session: SessionId,
    uses: Vec<ToolAccess>,
) -> Result<Vec<Value>, PortError> {
    let mut judged = judged_uses(app, of, session).await?;
    let with_verdict = |tool: ToolAccess| {
        let verdict = judged.remove(&(tool.sequence_number as i64));
        let mut tool = json!(tool);
        if let Some(verdict) = verdict {
            tool["allowed"] = json!(verdict.allowed);
            tool["judged_by"] = json!(verdict.judged_by);
            tool["broken"] = json!(verdict.broken);
        }
        tool
    };
    Ok(uses.into_iter().map(with_verdict).collect())
}

async fn judged_uses(
    app: &App,
    of: &OnBehalf,
    session: SessionId,
) -> Result<HashMap<i64, ToolUseRow>, PortError> {
    let mut uses = HashMap::new();
    let mut after = -1;
    loop {
        let piece = app.reads.tool_uses_of_session(of.tenant, session, after, PIECE_ROWS).await;
        let piece = piece.map_err(|e| PortError::new("reading the use of tools", e))?;
        after = piece.last().map_or(after, |row| row.sequence_number);
        let is_last = (piece.len() as i64) < PIECE_ROWS;
        uses.extend(piece.into_iter().map(|row| (row.sequence_number, row)));
        if is_last {
            return Ok(uses);
        }
    }
}

/// The policies that the violations of the events before a number name, with their texts.
pub(super) async fn policies(
    app: &App,
    of: &OnBehalf,
    session: SessionId,
    end: u64,
) -> Result<Vec<Value>, PortError> {
    let failed = |e| PortError::new("reading policies", e);
    let named = app.reads.policies_that_found(of.tenant, session, end as i64).await;
    let mut policies = Vec::new();
    for (name, version, content_hash) in named.map_err(failed)? {
        let document = app.reads.policy_document(of.tenant, &content_hash).await;
        policies.push(json!({
            "name": name, "version": version, "content_hash": content_hash,
            "document": document.map_err(failed)?,
        }));
    }
    Ok(policies)
}

/// The session's violations with their action logs, of the events before a number.
pub(super) fn violations<'a>(
    app: &'a App,
    of: &'a OnBehalf,
    session: SessionId,
    end: u64,
) -> impl Stream<Item = Result<ViolationView, PortError>> + Send + 'a {
    let failed = |e| PortError::new("reading violations", e);
    async_stream::try_stream! {
        let mut after = None;
        loop {
            let piece = app.reads
                .violations_of_session(of.tenant, session, after, PIECE_ROWS)
                .await
                .map_err(failed)?;
            after = piece.last().map(|view| (view.sequence_number, view.violation_id));
            let is_last = (piece.len() as i64) < PIECE_ROWS;
            for view in piece {
                if view.sequence_number as u64 >= end {
                    continue;
                }
                let id = view.violation_id;
                let mut view = ViolationView::of(view, app.clock.now());
                let mut actions = Vec::new();
                loop {
                    let read = actions.len() as i64;
                    let more = app.reads
                        .violation_actions(of.tenant, id, read, PIECE_ROWS)
                        .await
                        .map_err(failed)?;
                    let is_last = (more.len() as i64) < PIECE_ROWS;
                    actions.extend(more);
                    if is_last {
                        break;
                    }
                }
                view.actions = Some(actions);
                yield view;
            }
            if is_last {
                break;
            }
        }
    }
}
