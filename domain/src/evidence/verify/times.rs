//! Times: none of them is proven, but they must not contradict each other.

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use serde_json::{Value, json};

use super::fields::{Field, Fields};
use super::finding::{Code, Findings};
use crate::evidence::json::Json;

/// How far a client's clock may run ahead of the server's before it is worth a word.
const CLOCK_SKEW_MINUTES_MAX: i64 = 5;
const TIMESTAMP_CHARS_MAX: usize = 64;

/// The latest times so far.
#[derive(Debug, Default)]
pub(super) struct Times {
    wall: Option<DateTime<Utc>>,
    monotonic: Option<f64>,
}

impl Times {
    pub(super) fn check(&mut self, fields: &Fields<'_>, findings: &mut Findings) {
        let mut note = |field: &str, problem: &str, details: Value| {
            findings.note(Code::TimestampAnomaly, fields.place(), || {
                (format!("{field} {problem}."), details)
            });
        };
        let wall_text = fields.get(Field::TimestampWall);
        let wall = wall_text.and_then(Json::as_str).and_then(instant);
        if let (Some(text), None) = (wall_text, wall) {
            let details = json!({ "field": "timestamp_wall", "received": text.describe() });
            note("timestamp_wall", "is not an RFC 3339 time with an offset", details);
        }
        if let Some(wall) = wall {
            if let Some(before) = self.wall.filter(|before| wall < *before) {
                let details = json!({ "field": "timestamp_wall", "before": before, "now": wall });
                note("timestamp_wall", "goes back behind the record before", details);
            }
            self.wall = Some(wall);
        }
        if let Some(received) = fields.get(Field::ReceivedAt).filter(|value| **value != Json::Null)
        {
            let details = || json!({ "field": "received_at", "received": received.describe() });
            match (received.as_str().and_then(instant), wall) {
                (None, _) => note("received_at", "is not an RFC 3339 time", details()),
                (Some(at), Some(wall))
                    if wall - at > TimeDelta::minutes(CLOCK_SKEW_MINUTES_MAX) =>
                {
                    note("timestamp_wall", "is later than received_at", details());
                }
                _ => {}
            }
        }
        match fields.get(Field::TimestampMonotonic) {
            None | Some(Json::Null) => {}
            Some(Json::Number(now)) => {
                if let Some(before) = self.monotonic.filter(|before| now.value < *before) {
                    let details = json!({ "field": "timestamp_monotonic", "before": before, "now": now.value });
                    note("timestamp_monotonic", "goes backwards", details);
                }
                self.monotonic = Some(now.value);
            }
            Some(other) => {
                let details =
                    json!({ "field": "timestamp_monotonic", "received": other.describe() });
                note("timestamp_monotonic", "is not a number", details);
            }
        }
    }
}

/// Reads an RFC 3339 time with an offset.
pub(super) fn instant(text: &str) -> Option<DateTime<Utc>> {
    let shape = text.as_bytes();
    let looks_right = (20..=TIMESTAMP_CHARS_MAX).contains(&shape.len())
        && shape[10].eq_ignore_ascii_case(&b'T')
        && !shape.contains(&b' ');
    let read: Option<DateTime<FixedOffset>> =
        looks_right.then(|| DateTime::parse_from_rfc3339(text).ok()).flatten();
    read.map(|at| at.to_utc())
}
