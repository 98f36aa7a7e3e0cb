//! One event and its surroundings, for tests to judge.

use std::borrow::Cow;

use serde_json::Value;

use crate::evidence::json::{self, Json};
use crate::policy::compile::CompiledPolicy;
use crate::policy::context::{Context, EventFacts, PiiFacts, SessionFacts};
use crate::policy::evaluate::Failure;
use crate::policy::explain::Explanation;
use crate::policy::validate::Policy;

/// What surrounds the payload.
pub struct Stage {
    pub session: SessionFacts,
    pub pii: PiiFacts,
    pub actor_id: Option<&'static str>,
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            session: SessionFacts {
                agent_id: "tutor".to_owned(),
                environment: Some("prod".to_owned()),
                started_at: "2026-01-02T03:04:05Z".to_owned(),
                tags: vec!["exam".to_owned(), "pilot".to_owned()],
            },
            pii: PiiFacts { types: vec!["email", "phone"], count: 3 },
            actor_id: Some("ada"),
        }
    }
}

impl Stage {
    pub fn context<'a>(&'a self, payload: &'a Json<'a>) -> Context<'a> {
        Context {
            event: EventFacts {
                id: "0197a000-0000-7000-8000-000000000001",
                event_type: "TOOL_CALL",
                sequence_number: 7,
                timestamp: "2026-01-02T03:04:06+01:00",
                actor_id: self.actor_id,
                session_id: "0197a000-0000-7000-8000-000000000000",
            },
            payload,
            session: &self.session,
            event_count: 8,
            pii: &self.pii,
        }
    }

    pub fn failures(&self, policy: &CompiledPolicy, payload: &str) -> Vec<Failure> {
        let payload = json::parse(payload.as_bytes(), 64).expect("JSON").root;
        let mut failures = Vec::new();
        policy.failures(&self.context(&payload), &mut failures);
        failures
    }

    pub fn explain(
        &self,
        policy: &CompiledPolicy,
        place: (usize, Option<usize>),
        payload: &str,
    ) -> Explanation {
        let payload = json::parse(payload.as_bytes(), 64).expect("JSON").root;
        policy.explain(place.0, place.1, &self.context(&payload), &unmasked)
    }
}

pub fn unmasked(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

pub fn compiled(document: &Value) -> CompiledPolicy {
    let policy = Policy::read(document).expect("a valid document");
    CompiledPolicy::new(&policy).expect("a policy that compiles")
}
