//! The report bundle: violations and what belongs to them, as tables and as a report.

use std::collections::BTreeMap;

use application::PortError;
use application::exports::workshop::{Job, MakeError};
use domain::artifacts::csv;
use domain::artifacts::manifest::About;
use domain::evidence::record::format_micros;
use domain::export::{FileFact, Made};
use futures::TryStreamExt;
use infrastructure::export_files::FileWriter;
use projections::selection::FoundViolation;

use super::evidence::flush;
use super::held::Held;
use super::report::Report;
use super::{CHUNK_BYTES, custody, manifest, report, tables};
use crate::state::App;

const VIOLATION_COLUMNS: [&str; 25] = [
    "violation_id",
    "detected_at",
    "severity",
    "status",
    "policy",
    "policy_version",
    "policy_hash",
    "control",
    "rule",
    "reason",
    "session_id",
    "sequence_number",
    "event_id",
    "event_hash",
    "actor_id",
    "agent_id",
    "due_at",
    "overdue",
    "escalation_level",
    "escalated_to",
    "acknowledged_at",
    "resolved_at",
    "resolution",
    "actions",
    "explanation",
];
const ACTION_COLUMNS: [&str; 7] =
    ["violation_id", "number", "at", "action", "actor", "details", "position"];
const USE_COLUMNS: [&str; 12] = [
    "session_id",
    "sequence_number",
    "event_id",
    "timestamp",
    "tool_name",
    "actor_id",
    "args_summary",
    "status",
    "duration_ms",
    "allowed",
    "judged_by",
    "broken",
];
const FINDING_COLUMNS: [&str; 5] =
    ["session_id", "sequence_number", "detector", "place", "matches"];
const CUSTODY_COLUMNS: [&str; 4] = ["at", "action", "actor", "details"];

pub(super) async fn make(app: &App, job: &Job) -> Result<Made, MakeError> {
    let mut report = Report::new(job);
    let mut counts = BTreeMap::new();
    let mut held = Held::new(app, job);
    let mut files = violations(app, job, &mut report, &mut held, &mut counts).await?;
    files.push(uses(app, job, &mut report, &mut held, &mut counts).await?);
    files.push(personal_data(app, job, &mut report, &mut held, &mut counts).await?);
    held.write().await?;
    files.push(chain_of_custody(app, job, &mut counts).await?);
    report.counts.clone_from(&counts);
    files.push(manifest::put(app, job, "report.txt", report::text(&report).as_bytes()).await?);
    if let Some(pdf) = report::pdf(app, &report).await? {
        files.push(manifest::put(app, job, "report.pdf", &pdf).await?);
    }
    let filters = job.order.filters.clone();
    let about = About::Bundle { bundle_id: job.id, filters };
    manifest::close(app, job, about, counts, files).await
}

/// A table that is written row by row.
struct Table {
    file: FileWriter,
    out: Vec<u8>,
    rows: u64,
}

impl Table {
    async fn begin(app: &App, job: &Job, name: &str, columns: &[&str]) -> Result<Self, PortError> {
        let mut out = Vec::with_capacity(2 * CHUNK_BYTES);
        csv::row(columns.iter().copied(), &mut out);
        Ok(Self { file: app.export_files.create(job.id, name).await?, out, rows: 0 })
    }

    async fn row<const N: usize>(&mut self, cells: [&str; N]) -> Result<(), PortError> {
        csv::row(cells, &mut self.out);
        self.rows += 1;
        flush(&mut self.file, &mut self.out, CHUNK_BYTES).await
    }

    async fn finish(mut self) -> Result<(FileFact, u64), PortError> {
        flush(&mut self.file, &mut self.out, 0).await?;
        Ok((self.file.finish().await?, self.rows))
    }
}

async fn violations(
    app: &App,
    job: &Job,
    report: &mut Report,
    held: &mut Held<'_>,
    counts: &mut BTreeMap<String, u64>,
) -> Result<Vec<FileFact>, PortError> {
    let mut rows = Table::begin(app, job, "violations.csv", &VIOLATION_COLUMNS).await?;
    let mut actions = Table::begin(app, job, "violation_actions.csv", &ACTION_COLUMNS).await?;
    let mut found = std::pin::pin!(tables::violations(app, job));
    while let Some(FoundViolation { view, actions: log }) = found.try_next().await? {
        let overdue = view.is_unresolved() && view.due_at.is_some_and(|due| due < job.requested_at);
        report.take_violation(&view, overdue);
        held.note(view.session_id).await?;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let time =
            |at: Option<chrono::DateTime<chrono::Utc>>| at.map(format_micros).unwrap_or_default();
        let id = view.violation_id.to_string();
        rows.row([
            &id,
            &format_micros(view.detected_at),
            &view.severity,
            &view.status,
            &view.policy,
            &view.policy_version,
            &view.policy_hash,
            &view.control,
            &text(&view.rule),
            &view.reason,
            &view.session_id.to_string(),
            &view.sequence_number.to_string(),
            &view.event_id.to_string(),
            &view.event_hash,
            &text(&view.actor_id),
            &view.agent_id,
            &time(view.due_at),
            &overdue.to_string(),
            &view.escalation_level.to_string(),
            &text(&view.escalated_to),
            &time(view.acknowledged_at),
            &time(view.resolved_at),
            &text(&view.resolution),
            &log.len().to_string(),
            &view.explanation.0.to_string(),
        ])
        .await?;
        for line in log {
            actions
                .row([
                    &id,
                    &line.number.to_string(),
                    &format_micros(line.at),
                    &line.action,
                    &line.actor,
                    &line.details.0.to_string(),
                    &line.position.to_string(),
                ])
                .await?;
        }
    }
    let (violations, actions) = (rows.finish().await?, actions.finish().await?);
    counts.insert("violations".to_owned(), violations.1);
    counts.insert("violation_actions".to_owned(), actions.1);
    Ok(vec![violations.0, actions.0])
}

async fn uses(
    app: &App,
    job: &Job,
    report: &mut Report,
    held: &mut Held<'_>,
    counts: &mut BTreeMap<String, u64>,
) -> Result<FileFact, PortError> {
    let mut table = Table::begin(app, job, "tool_access.csv", &USE_COLUMNS).await?;
    let mut uses = std::pin::pin!(tables::uses(app, job));
    while let Some(used) = uses.try_next().await? {
        report.take_use(&used);
        held.note(used.session_id).await?;
        table
            .row([
                &used.session_id.to_string(),
                &used.sequence_number.to_string(),
                &used.event_id.to_string(),
                &used.timestamp,
                &used.tool_name,
                used.actor_id.as_deref().unwrap_or_default(),
                &used.args_summary,
                used.status.as_deref().unwrap_or_default(),
                &used.duration_ms.map(|ms| ms.to_string()).unwrap_or_default(),
                &used.allowed.map(|allowed| allowed.to_string()).unwrap_or_default(),
                &used.judged_by.join(" "),
                &used.broken.join(" "),
            ])
            .await?;
    }
    let (file, rows) = table.finish().await?;
    counts.insert("tool_uses".to_owned(), rows);
    Ok(file)
}

async fn personal_data(
    app: &App,
    job: &Job,
    report: &mut Report,
    held: &mut Held<'_>,
    counts: &mut BTreeMap<String, u64>,
) -> Result<FileFact, PortError> {
    let mut table = Table::begin(app, job, "personal_data.csv", &FINDING_COLUMNS).await?;
    let mut findings = std::pin::pin!(tables::personal_data(app, job));
    while let Some(found) = findings.try_next().await? {
        report.take_finding(&found);
        held.note(found.session_id).await?;
        table
            .row([
                &found.session_id.to_string(),
                &found.sequence_number.to_string(),
                &found.detector,
                &found.pointer,
                &found.matches.to_string(),
            ])
            .await?;
    }
    let (file, rows) = table.finish().await?;
    counts.insert("personal_data".to_owned(), rows);
    Ok(file)
}

async fn chain_of_custody(
    app: &App,
    job: &Job,
    counts: &mut BTreeMap<String, u64>,
) -> Result<FileFact, PortError> {
    let mut table = Table::begin(app, job, "chain_of_custody.csv", &CUSTODY_COLUMNS).await?;
    let mut entries = std::pin::pin!(custody::entries(app, job));
    while let Some(entry) = entries.try_next().await? {
        table
            .row([
                &format_micros(entry.at),
                &entry.action,
                &entry.actor,
                &entry.details.to_string(),
            ])
            .await?;
    }
    let (file, rows) = table.finish().await?;
    counts.insert("custody".to_owned(), rows);
    Ok(file)
}
