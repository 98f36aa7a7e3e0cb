//! What a selection is narrowed to, in a body.

use chrono::{DateTime, Utc};
use domain::evidence::event_type::EventType;
use domain::export::Filters;
use domain::ids::SessionId;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::extract::{instant, name};
use crate::problem::Problem;

/// Which events, and why they leave.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectionRequest {
    /// Received at or after (RFC 3339).
    since: Option<DateTime<Utc>>,
    /// Received before (RFC 3339).
    until: Option<DateTime<Utc>>,
    /// Of this event type.
    #[serde(rename = "type")]
    event_type: Option<String>,
    /// Of this actor.
    actor: Option<String>,
    /// Those that broke this policy.
    policy: Option<String>,
    /// In this session.
    session_id: Option<Uuid>,
    /// Why the evidence leaves: stands in it and in the audit.
    #[schema(min_length = 1, max_length = 256)]
    pub purpose: String,
}

impl SelectionRequest {
    pub fn filters(&self) -> Result<Filters, Problem> {
        let kind = self.event_type.as_deref();
        if kind.is_some_and(|kind| EventType::parse(kind).is_none()) {
            return Err(Problem::request("type is not a type of event"));
        }
        let since = instant("since", self.since)?;
        let until = instant("until", self.until)?;
        if [&self.actor, &self.policy].into_iter().flatten().any(String::is_empty) {
            return Err(Problem::request("actor and policy are names, not empty"));
        }
        Ok(Filters {
            actor: name("actor", self.actor.clone())?,
            policy: name("policy", self.policy.clone())?,
            session_id: self.session_id.map(SessionId),
            since,
            event_type: self.event_type.clone(),
            until,
        })
    }
}
