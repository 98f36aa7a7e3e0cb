//! What was asked for, held against what came.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::context::brief;
use super::fields::{Field, Fields};
use super::finding::{Code, Findings, Place};
use super::members::{self, Kind};
use super::times::instant;
use crate::evidence::json::Json;

const NAMES: [(&str, Kind); 6] = [
    ("actor", Kind::TextOrNull),
    ("policy", Kind::TextOrNull),
    ("session_id", Kind::TextOrNull),
    ("since", Kind::TimeOrNull),
    ("type", Kind::TextOrNull),
    ("until", Kind::TimeOrNull),
];

/// As the header names them; none where nothing was asked.
#[derive(Debug, Default)]
pub(super) struct Filters {
    pub(super) actor: Option<String>,
    pub(super) policy: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) event_type: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

impl Filters {
    /// Reads an object of filters.
    pub(super) fn read(value: &Json<'_>, findings: &mut Findings) -> Self {
        members::check(value, &[], &NAMES, findings);
        let text = |name| value.get(name).and_then(Json::as_str);
        Self {
            actor: text("actor").map(str::to_owned),
            policy: text("policy").map(str::to_owned),
            session_id: text("session_id").map(str::to_owned),
            event_type: text("type").map(str::to_owned),
            since: text("since").and_then(instant),
            until: text("until").and_then(instant),
        }
    }

    /// As a report repeats them: by name, null where nothing was asked.
    pub(super) fn shown(value: &Json<'_>) -> Value {
        let text = |name: &str| value.get(name).and_then(Json::as_str).map(brief);
        let named: BTreeMap<_, _> = NAMES.iter().map(|(name, _)| (*name, text(name))).collect();
        json!(named)
    }

    /// Whether they leave no record out of the sessions that they let in.
    pub(super) fn select_whole_sessions(&self) -> bool {
        self.actor.is_none()
            && self.policy.is_none()
            && self.event_type.is_none()
            && self.since.is_none()
            && self.until.is_none()
    }

    /// Notes a record that was not asked for.
    pub(super) fn check_record(&self, fields: &Fields<'_>, findings: &mut Findings) {
        let texts = [
            ("actor", &self.actor, Field::ActorId),
            ("session_id", &self.session_id, Field::SessionId),
            ("type", &self.event_type, Field::EventType),
        ];
        for (name, asked, field) in texts {
            let found = fields.text(field);
            if let Some(asked) = asked.as_deref().filter(|asked| found != Some(*asked)) {
                outside(name, asked, found, fields.place(), findings);
            }
        }
        if self.since.is_none() && self.until.is_none() {
            return;
        }
        let text = fields.text(Field::ReceivedAt);
        let at = text.and_then(instant);
        let bounds = [
            ("since", self.since, at.is_some_and(|at| self.since.is_none_or(|since| since <= at))),
            ("until", self.until, at.is_some_and(|at| self.until.is_none_or(|until| at < until))),
        ];
        for (name, asked, holds) in bounds {
            if let (Some(asked), false) = (asked, holds) {
                outside(name, &asked.to_rfc3339(), text, fields.place(), findings);
            }
        }
    }

    /// Notes a violation of another policy or session than was asked for.
    pub(super) fn check_violation(&self, violation: &Json<'_>, findings: &mut Findings) {
        for (name, asked) in [("policy", &self.policy), ("session_id", &self.session_id)] {
            let found = violation.get(name).and_then(Json::as_str);
            if let Some(asked) = asked.as_deref().filter(|asked| found != Some(*asked)) {
                outside(name, asked, found, Place::default(), findings);
            }
        }
    }
}

fn outside(name: &str, asked: &str, found: Option<&str>, at: Place<'_>, findings: &mut Findings) {
    findings.note(Code::MetadataMismatch, at, || {
        let message = format!("This was not asked for by the filter {name}.");
        let details = json!({
            "field": format!("filters.{name}"), "claimed": brief(asked), "computed": found.map(brief),
        });
        (message, details)
    });
}
