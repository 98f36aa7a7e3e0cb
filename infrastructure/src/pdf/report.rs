//! A report of any kind: headings, texts and tables that come as one JSON document.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::budget::within;
use super::page::{Block, Column, Cover, Document, Fact, Meta, Section, Table, Text};
use super::typeset::typeset;
use super::{DISCLAIMER, RENDERER_VERSION, RenderError};

/// Rows of a table; the report says how many it has left out.
const ROWS_MAX: usize = 1_000;
/// Characters of a cell.
const CELL_CHARS_MAX: usize = 400;

/// What [`render_report`] sets.
#[derive(Debug, Clone, Deserialize)]
pub struct Report {
    pub title: String,
    /// RFC 3339; the document's own date, too.
    pub generated_at: String,
    #[serde(default)]
    pub tenant: Option<String>,
    #[serde(default)]
    pub purpose: Option<String>,
    #[serde(default)]
    pub filters: Map<String, Value>,
    #[serde(default)]
    pub counts: Map<String, Value>,
    #[serde(default)]
    pub sections: Vec<ReportSection>,
    #[serde(default)]
    pub disclaimer: Option<String>,
}

/// A heading with text, a table, or both.
#[derive(Debug, Clone, Deserialize)]
pub struct ReportSection {
    pub heading: String,
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default)]
    pub table: Option<ReportTable>,
}

/// A table; its first row is repeated on every page.
#[derive(Debug, Clone, Deserialize)]
pub struct ReportTable {
    pub columns: Vec<String>,
    /// Texts, numbers, or anything else as JSON.
    pub rows: Vec<Vec<Value>>,
    #[serde(default)]
    pub note: Option<String>,
}

/// Sets a report as PDF/A-3b without attachments. The same report gives the same bytes.
pub fn render_report(report: &Value) -> Result<Vec<u8>, RenderError> {
    let report = Report::deserialize(report).map_err(RenderError::unreadable)?;
    let made_at = DateTime::parse_from_rfc3339(&report.generated_at).ok();
    let document = document(&report);
    typeset(&document, &[], made_at.map(|at| at.with_timezone(&Utc)), &report.title)
}

fn document(report: &Report) -> Document {
    let mut facts = vec![Fact::new("Generated at", &report.generated_at)];
    facts.extend(report.tenant.as_ref().map(|tenant| Fact::new("Tenant", tenant)));
    facts.extend(report.purpose.as_ref().map(|purpose| Fact::new("Purpose", purpose)));
    let filters = report.filters.iter().filter(|(_, value)| !value.is_null());
    facts.extend(filters.map(|(name, value)| Fact::new(&format!("Filter: {name}"), shown(value))));
    let counts = report.counts.iter();
    facts.extend(counts.map(|(name, value)| Fact::new(&words(name), shown(value))));
    facts.push(Fact::new("Made by", RENDERER_VERSION));
    let disclaimer = report.disclaimer.as_deref().unwrap_or(DISCLAIMER);
    Document {
        title: (&report.title).into(),
        meta: Meta {
            title: report.title.clone(),
            description: "A report of recorded evidence.".to_owned(),
            keywords: vec![format!("renderer={RENDERER_VERSION}")],
        },
        header: report.tenant.as_deref().unwrap_or_default().into(),
        footer: (&report.generated_at).into(),
        contents: false,
        cover: Cover {
            kicker: "Exhibit · Report".into(),
            status: None,
            facts,
            qr: None,
            disclaimer: disclaimer.into(),
        },
        sections: report.sections.iter().map(section).map(within).collect(),
        attachments: Vec::new(),
    }
}

fn section(section: &ReportSection) -> Section {
    let mut blocks = Vec::new();
    blocks.extend(section.text.iter().flat_map(|text| text.lines()).map(Block::text));
    blocks.extend(section.table.as_ref().map(table));
    Section::new(&section.heading, blocks)
}

fn table(table: &ReportTable) -> Block {
    let width = table.columns.len();
    let row = |cells: &Vec<Value>| {
        let cell = |at| cells.get(at).map(|value| Text::cut(&shown(value), CELL_CHARS_MAX));
        (0..width).map(|at| cell(at).unwrap_or_default()).collect()
    };
    let rows: Vec<_> = table.rows.iter().take(ROWS_MAX).map(row).collect();
    let left_out = table.rows.len() - rows.len();
    let cut = (left_out > 0).then(|| format!("{left_out} further rows are not printed."));
    let notes: Vec<_> = table.note.iter().cloned().chain(cut).collect();
    if width == 0 {
        return Block::note(notes.join(" "));
    }
    Block::Table(Table {
        columns: table.columns.iter().map(|name| Column::new(name, 1.0)).collect(),
        rows,
        note: (!notes.is_empty()).then(|| notes.join(" ").into()),
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `violations_open` as `Violations open`.
fn words(name: &str) -> String {
    let mut words = name.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}
