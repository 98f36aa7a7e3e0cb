//! What the judge has found in a session, as exports carry it.

use std::collections::VecDeque;

use application::PortError;
use domain::evidence::tool_access::{ToolAccess, ToolVerdict};
use domain::ids::SessionId;
use futures::Stream;
use projections::judgement::FindingRow;
use projections::sessions::SessionRow;
use projections::violations::Known;
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
pub(super) fn matches<'a>(
    app: &'a App,
    of: &'a OnBehalf,
    session: SessionId,
    end: u64,
) -> impl Stream<Item = Result<FindingRow, PortError>> + Send + 'a {
    async_stream::try_stream! {
        let mut last = None;
        loop {
            let piece = app.reads
                .findings(of.tenant, session, last.as_ref(), PIECE_ROWS)
                .await
                .map_err(|e| PortError::new("reading personal data", e))?;
            last = piece.last().cloned();
            let is_last = (piece.len() as i64) < PIECE_ROWS;
            for found in piece {
                if (found.sequence_number as u64) < end {
                    yield found;
                }
            }
            if is_last {
                break;
            }
        }
    }
}

/// The session's uses of tools, with what the policies said of each, as far as it was judged.
pub(super) fn tool_access<'a>(
    app: &'a App,
    of: &'a OnBehalf,
    session: SessionId,
    uses: Vec<ToolAccess>,
) -> impl Stream<Item = Result<(ToolAccess, Option<ToolVerdict>), PortError>> + Send + 'a {
    async_stream::try_stream! {
        let mut verdicts = Verdicts { app, of, session, read: VecDeque::new(), after: Some(-1) };
        for tool in uses {
            let verdict = verdicts.of_call(tool.sequence_number as i64).await?;
            yield (tool, verdict);
        }
    }
}

/// Verdicts, read in step with the calls: both go by the calls' numbers.
struct Verdicts<'a> {
    app: &'a App,
    of: &'a OnBehalf,
    session: SessionId,
    read: VecDeque<(i64, ToolVerdict)>,
    /// The last number that was read, while there may be more.
    after: Option<i64>,
}

impl Verdicts<'_> {
    async fn of_call(&mut self, number: i64) -> Result<Option<ToolVerdict>, PortError> {
        loop {
            while self.read.front().is_some_and(|(of, _)| *of < number) {
                self.read.pop_front();
            }
            if let Some((of, _)) = self.read.front() {
                let is_this = *of == number;
                return Ok(is_this.then(|| self.read.pop_front()).flatten().map(|(_, v)| v));
            }
            let Some(after) = self.after else { return Ok(None) };
            let reads = &self.app.reads;
            let piece = reads.verdicts_of_session(self.of.tenant, self.session, after, PIECE_ROWS);
            let piece = piece.await.map_err(|e| PortError::new("reading the use of tools", e))?;
            let is_last = (piece.len() as i64) < PIECE_ROWS;
            self.after = piece.last().map(|(of, _)| *of).filter(|_| !is_last);
            self.read.extend(piece);
        }
    }
}

/// The policies that the violations name, with their texts.
pub(super) async fn policies(
    app: &App,
    of: &OnBehalf,
    known: &Known,
) -> Result<Vec<Value>, PortError> {
    let failed = |e| PortError::new("reading policies", e);
    let named = app.reads.policies_that_found(of.tenant, known).await;
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

/// The session's violations with their action logs.
pub(super) fn violations<'a>(
    app: &'a App,
    of: &'a OnBehalf,
    known: Known,
) -> impl Stream<Item = Result<ViolationView, PortError>> + Send + 'a {
    let failed = |e| PortError::new("reading violations", e);
    async_stream::try_stream! {
        let mut after = None;
        loop {
            let piece = app.reads
                .violations_of_session(of.tenant, &known, after, PIECE_ROWS)
                .await
                .map_err(failed)?;
            after = piece.last().map(|view| (view.sequence_number, view.violation_id));
            let is_last = (piece.len() as i64) < PIECE_ROWS;
            for view in piece {
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
