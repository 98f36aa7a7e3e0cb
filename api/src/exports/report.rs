//! What a bundle comes to, for people: gathered while its tables are written.

use std::collections::BTreeMap;

use application::PortError;
use application::exports::workshop::Job;
use domain::artifacts::DISCLAIMER;
use domain::evidence::record::format_micros;
use domain::export::Filters;
use projections::judgement::ToolUseRow;
use projections::selection::FoundRow;
use projections::violations::View;
use serde_json::{Value, json};

use crate::cli::report::printable;
use crate::state::App;

const TITLE: &str = "Compliance report";
/// Violations that the report shows one by one; the table has all.
const VIOLATIONS_SHOWN: usize = 500;
/// Lines of a breakdown; the rest is one line.
const LINES_SHOWN: usize = 100;

/// Numbers, and the first violations.
pub(super) struct Report {
    generated_at: String,
    tenant: String,
    purpose: String,
    filters: Filters,
    heading: Vec<(&'static str, String)>,
    pub(super) counts: BTreeMap<String, u64>,
    severities: BTreeMap<String, u64>,
    states: BTreeMap<String, u64>,
    policies: BTreeMap<String, u64>,
    overdue: u64,
    tools: BTreeMap<String, [u64; 2]>,
    detectors: BTreeMap<String, u64>,
    shown: Vec<[String; 6]>,
}

impl Report {
    pub(super) fn new(job: &Job) -> Self {
        let heading = vec![
            ("Generated", format_micros(job.requested_at)),
            ("By", job.requested_by.clone()),
            ("Purpose", job.order.purpose.clone()),
            ("Tenant", job.tenant.to_string()),
            ("Selection", selection(&job.order.filters)),
            ("Read up to", format!("position {} of the tenant's log", job.position)),
        ];
        Self {
            generated_at: format_micros(job.requested_at),
            tenant: job.tenant.to_string(),
            purpose: job.order.purpose.clone(),
            filters: job.order.filters.clone(),
            heading,
            counts: BTreeMap::new(),
            severities: BTreeMap::new(),
            states: BTreeMap::new(),
            policies: BTreeMap::new(),
            overdue: 0,
            tools: BTreeMap::new(),
            detectors: BTreeMap::new(),
            shown: Vec::new(),
        }
    }

    pub(super) fn take_violation(&mut self, view: &View, overdue: bool) {
        *self.severities.entry(view.severity.clone()).or_default() += 1;
        *self.states.entry(view.status.clone()).or_default() += 1;
        let control = format!("{} / {}", view.policy, view.control);
        count(&mut self.policies, control, 1);
        self.overdue += u64::from(overdue);
        if self.shown.len() < VIOLATIONS_SHOWN {
            self.shown.push([
                format_micros(view.detected_at),
                view.severity.clone(),
                view.status.clone(),
                format!("{} / {}", view.policy, view.control),
                format!("{} #{}", view.session_id, view.sequence_number),
                view.reason.clone(),
            ]);
        }
    }

    pub(super) fn take_use(&mut self, used: &ToolUseRow) {
        let known = self.tools.len() < LINES_SHOWN || self.tools.contains_key(&used.tool_name);
        let name = if known { used.tool_name.as_str() } else { "(others)" };
        let [all, refused] = self.tools.entry(name.to_owned()).or_default();
        *all += 1;
        *refused += u64::from(used.allowed == Some(false));
    }

    pub(super) fn take_finding(&mut self, found: &FoundRow) {
        let matches = u64::from(found.matches.unsigned_abs());
        count(&mut self.detectors, found.detector.clone(), matches);
    }

    /// As sections of paragraphs and tables.
    fn document(&self) -> Value {
        let pairs = |counts: &BTreeMap<String, u64>| -> Vec<Value> {
            counts.iter().map(|(name, count)| json!([name, count.to_string()])).collect()
        };
        let total = self.counts.get("violations").copied().unwrap_or_default();
        let shown = self.shown.len() as u64;
        let note = (shown < total)
            .then(|| format!("The first {shown} of {total}; violations.csv has all of them."));
        let tools: Vec<Value> = self
            .tools
            .iter()
            .map(|(name, [all, refused])| json!([name, all.to_string(), refused.to_string()]))
            .collect();
        json!({
            "title": TITLE,
            "generated_at": self.generated_at,
            "tenant": self.tenant,
            "purpose": self.purpose,
            "filters": self.filters,
            "counts": self.counts,
            "sections": [
                { "heading": "Violations by severity",
                  "table": { "columns": ["severity", "violations"],
                             "rows": pairs(&self.severities) } },
                { "heading": "Violations by state",
                  "text": format!("{} past due and not resolved.", self.overdue),
                  "table": { "columns": ["state", "violations"], "rows": pairs(&self.states) } },
                { "heading": "Violations by policy and control",
                  "table": { "columns": ["policy / control", "violations"],
                             "rows": pairs(&self.policies) } },
                { "heading": "Violations",
                  "table": { "columns": ["detected", "severity", "state", "policy / control",
                                         "session and event", "reason"],
                             "rows": self.shown, "note": note } },
                { "heading": "Use of tools",
                  "table": { "columns": ["tool", "uses", "not allowed"], "rows": tools } },
                { "heading": "Personal data",
                  "text": "Kinds and numbers; the text that matched is nowhere in this bundle.",
                  "table": { "columns": ["kind", "matches"], "rows": pairs(&self.detectors) } },
                { "heading": "How to check this bundle",
                  "text": "exhibit verify FOLDER --jwks jwks.json compares every file with \
                           manifest.json and the manifest with its signature in bundle.sig. \
                           Without our software: sha256sum of each file must be the one that \
                           manifest.json names; docs/check-files.sh checks that and the \
                           signature with openssl." },
            ],
            "disclaimer": DISCLAIMER,
        })
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: String, by: u64) {
    let known = counts.len() < LINES_SHOWN || counts.contains_key(&name);
    *counts.entry(if known { name } else { "(others)".to_owned() }).or_default() += by;
}

fn selection(filters: &Filters) -> String {
    let parts = [
        filters.since.map(|at| format!("since {}", format_micros(at))),
        filters.until.map(|at| format!("until {}", format_micros(at))),
        filters.event_type.as_ref().map(|kind| format!("type {kind}")),
        filters.actor.as_ref().map(|actor| format!("actor {actor}")),
        filters.policy.as_ref().map(|policy| format!("policy {policy}")),
        filters.session_id.map(|session| format!("session {session}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "everything".to_owned() } else { parts.join(", ") }
}

/// The same as pages, where the renderer was built.
#[cfg(feature = "pdf")]
pub(super) async fn pdf(app: &App, report: &Report) -> Result<Option<Vec<u8>>, PortError> {
    let pages = app.renderer.place().await.report(report.document()).await;
    pages.map(Some).map_err(|e| PortError::new("setting a report", e))
}

#[cfg(not(feature = "pdf"))]
#[expect(clippy::unused_async, reason = "the same call with and without a renderer")]
pub(super) async fn pdf(_: &App, _: &Report) -> Result<Option<Vec<u8>>, PortError> {
    Ok(None)
}

/// The same for a terminal: control characters are shown, not sent.
pub(super) fn text(report: &Report) -> String {
    let document = report.document();
    let mut out = String::new();
    let line = |out: &mut String, text: &str| {
        out.push_str(&printable(text));
        out.push('\n');
    };
    line(&mut out, &TITLE.to_uppercase());
    for (name, text) in &report.heading {
        line(&mut out, &format!("  {name}  |  {text}"));
    }
    for (name, count) in &report.counts {
        line(&mut out, &format!("  {name}  |  {count}"));
    }
    for section in document["sections"].as_array().into_iter().flatten() {
        out.push('\n');
        let heading = section["heading"].as_str().unwrap_or_default();
        line(&mut out, heading);
        line(&mut out, &"-".repeat(heading.chars().count()));
        if let Some(text) = section["text"].as_str() {
            line(&mut out, text);
        }
        for row in section["table"]["rows"].as_array().into_iter().flatten() {
            let cells = row.as_array().into_iter().flatten();
            let cells: Vec<&str> = cells.filter_map(Value::as_str).collect();
            line(&mut out, &format!("  {}", cells.join("  |  ")));
        }
        if let Some(note) = section["table"]["note"].as_str() {
            line(&mut out, note);
        }
    }
    out.push('\n');
    line(&mut out, DISCLAIMER);
    out
}
