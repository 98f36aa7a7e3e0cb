//! The session's events over time: a picture of all, a table of the first.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::DateTime;
use serde::Deserialize;
use serde_json::Value;

use super::super::page::{Block, Column, Section, Table, Text};
use super::export::{Export, ROWS_MAX, plain, short};

/// Kinds of events that are counted by name.
const TYPES_MAX: usize = 500;
/// Bars of the picture.
const BARS: usize = 96;
const BAR_WIDTH: usize = 10;
const CHART_HEIGHT: u64 = 120;

/// Members of payloads that say what an event was about, without saying what was in it.
const TELLING: [&str; 9] = [
    "tool_name",
    "model",
    "provider",
    "agent_id",
    "environment",
    "status",
    "error_type",
    "decision",
    "duration_ms",
];

/// What is kept of the records.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    rows: Vec<Row>,
    pub(super) total: u64,
    pub(super) by_type: BTreeMap<String, u64>,
    /// Microseconds since 1970 by the sender's clock; of records that tell no time, nothing.
    times: Vec<i64>,
    pub(super) first: Option<String>,
    pub(super) last: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    sequence_number: Value,
    timestamp_wall: Value,
    event_type: Value,
    actor_id: Value,
    event_hash: Value,
    payload: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Brief {
    timestamp_wall: Value,
    event_type: Value,
}

impl Timeline {
    pub(super) fn push(&mut self, record: &str) {
        self.total += 1;
        // What cannot be read is a finding of the verifier; here it is a row without words.
        let brief: Brief = serde_json::from_str(record).unwrap_or_default();
        let kind = plain(&brief.event_type);
        // A seal may come months after the last event, and would squeeze the picture of all others.
        let is_seal = kind == "CHAIN_SEAL";
        if self.by_type.len() < TYPES_MAX || self.by_type.contains_key(&kind) {
            *self.by_type.entry(kind).or_default() += 1;
        }
        if let Some(time) = brief.timestamp_wall.as_str().filter(|_| !is_seal) {
            self.first.get_or_insert_with(|| time.to_owned());
            self.last = Some(time.to_owned());
            self.times.extend(DateTime::parse_from_rfc3339(time).map(|at| at.timestamp_micros()));
        }
        if self.rows.len() < ROWS_MAX {
            self.rows.push(serde_json::from_str(record).unwrap_or_default());
        }
    }

    /// Events by bar, from the earliest time to the latest.
    fn bars(&self) -> [u64; BARS] {
        let mut bars = [0; BARS];
        let Some((first, last)) = self.times.iter().min().zip(self.times.iter().max()) else {
            return bars;
        };
        let span = i128::from(*last) - i128::from(*first) + 1;
        for time in &self.times {
            let at = (i128::from(*time) - i128::from(*first)) * BARS as i128 / span;
            bars[(at as usize).min(BARS - 1)] += 1;
        }
        bars
    }

    /// The picture: numbers only, so there is nothing in it to escape.
    pub(super) fn svg(&self) -> String {
        let bars = self.bars();
        let most = bars.iter().copied().max().unwrap_or_default().max(1);
        let (width, height) = (BARS * BAR_WIDTH, CHART_HEIGHT + 4);
        let mut svg =
            format!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">"#);
        let lines = [0, CHART_HEIGHT / 2, CHART_HEIGHT];
        for y in lines.map(|y| y + 2) {
            let _ =
                write!(svg, r##"<path d="M0 {y}H{width}" stroke="#c9d0d8" stroke-width="1"/>"##);
        }
        for (number, count) in bars.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            let (x, bar) = (number * BAR_WIDTH + 1, (count * CHART_HEIGHT / most).max(3));
            let (y, bar_width) = (CHART_HEIGHT + 2 - bar, BAR_WIDTH - 2);
            let _ = write!(
                svg,
                r##"<rect x="{x}" y="{y}" width="{bar_width}" height="{bar}" fill="#1f3a5f"/>"##
            );
        }
        svg + "</svg>"
    }
}

/// Section "Timeline".
pub(super) fn section(export: &Export<'_>) -> Section {
    let timeline = &export.timeline;
    if timeline.total == 0 {
        return Section::new("Timeline", vec![Block::text("The session has no events.")]);
    }
    let most = timeline.bars().into_iter().max().unwrap_or_default();
    let (first, last) = (timeline.first.as_deref(), timeline.last.as_deref());
    let blocks = vec![
        Block::text(
            "Events in the order of their sequence numbers, which the chain fixes. Times are those \
             that the senders’ clocks gave; they are printed as they were received.",
        ),
        Block::Chart {
            alt: format!(
                "Bar chart: {} events over time, at most {most} in one of {BARS} equal spans",
                timeline.total
            )
            .into(),
            from: first.unwrap_or("–").into(),
            to: last.unwrap_or("–").into(),
            note: format!(
                "All {} events but the seal; the tallest bar stands for {most}.",
                timeline.total
            )
            .into(),
        },
        Block::Table(table(timeline)),
    ];
    Section::new("Timeline", blocks)
}

fn table(timeline: &Timeline) -> Table {
    let left_out = timeline.total - timeline.rows.len() as u64;
    let cut = format!(
        "The first {} of {} events. {left_out} further events are not printed; the attached JSON \
         has all of them.",
        timeline.rows.len(),
        timeline.total
    );
    let all = "Payloads are not printed: they stand in the attached JSON, covered by the hashes.";
    let cell = |value: &Value, chars| Text::cut(&plain(value), chars);
    let rows = timeline.rows.iter().map(|row| {
        vec![
            cell(&row.sequence_number, 20),
            cell(&row.timestamp_wall, 64),
            cell(&row.event_type, 128),
            cell(&row.actor_id, 128),
            Text::cut(&telling(&row.payload), 160),
            short(row.event_hash.as_str().unwrap_or_default()).into(),
        ]
    });
    Table {
        columns: vec![
            Column::new("No.", 0.5),
            Column::new("Time", 2.0),
            Column::new("Event", 1.5),
            Column::new("Actor", 1.25),
            Column::new("About", 2.35),
            Column::mono("Hash begins", 0.95),
        ],
        rows: rows.collect(),
        note: Some(if left_out > 0 { format!("{cut} {all}") } else { all.to_owned() }.into()),
    }
}

fn telling(payload: &Value) -> String {
    let members = TELLING.iter().filter_map(|name| {
        let value = payload.get(name).filter(|value| value.is_string() || value.is_number())?;
        Some(format!("{name}: {}", plain(value)))
    });
    members.collect::<Vec<_>>().join("; ")
}
