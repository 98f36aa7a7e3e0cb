//! The judge's pass over a matter: entry by entry, record by record, in the order of the log.

mod breach;
mod wording;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::tools::{Calls, Verdict};
use super::{Entry, FoundData, Matter, Records, Ruling, Rulings, Testimony, WindowKey};
use crate::evidence::canonical::CanonicalError;
use crate::evidence::event_type::EventType;
use crate::evidence::json::{self, DEPTH_MAX};
use crate::hash::Hash;
use crate::ids::TenantId;
use crate::personal_data::{self, Finding};
use crate::policy::compile::CompiledPolicy;
use crate::policy::context::{Context, EventFacts, PiiFacts};
use crate::policy::document::Document;
use crate::policy::window::Window;
use wording::kinds;

/// Why a matter could not be judged: something stored is not what was stored.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    #[error("the payload of event {0} cannot be read")]
    Payload(Uuid),
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

/// Judges a matter. `now` is when violations are said to be detected.
///
/// # Errors
/// When a stored payload is not the JSON that was stored.
pub fn judge(matter: Matter, now: DateTime<Utc>) -> Result<Rulings, JudgeError> {
    let Matter { tenant, active, entries, windows, open_calls, violations_alone } = matter;
    let asked = |asks: fn(&CompiledPolicy) -> bool| {
        let activated = entries.iter().filter_map(|entry| match entry {
            Entry::Activated(policy) => Some(policy),
            Entry::Retired { .. } | Entry::Records(_) => None,
        });
        !violations_alone || active.iter().chain(activated).any(|policy| asks(policy))
    };
    let finds = asked(CompiledPolicy::asks_for_personal_data);
    let joins = asked(CompiledPolicy::demands_tool_results);
    let mut pass = Pass {
        finds,
        joins,
        tenant,
        now,
        active,
        windows,
        moved: HashSet::new(),
        calls: Calls::new(open_calls),
        found: HashSet::new(),
        violations: Vec::new(),
        findings: Vec::new(),
    };
    for entry in &entries {
        match entry {
            Entry::Activated(policy) => pass.activate(policy),
            Entry::Retired { name, version } => pass.retire(name, version),
            Entry::Records(records) => {
                for record in &records.records {
                    pass.record(records, record)?;
                }
            }
        }
    }
    Ok(pass.finish())
}

struct Pass {
    /// Personal data is looked for.
    finds: bool,
    /// Calls are joined with their results.
    joins: bool,
    tenant: TenantId,
    now: DateTime<Utc>,
    /// In the order of their names.
    active: Vec<Arc<CompiledPolicy>>,
    windows: HashMap<WindowKey, Window>,
    moved: HashSet<WindowKey>,
    calls: Calls,
    /// Keys of `violations`: a window may be crossed twice from one start.
    found: HashSet<Hash>,
    violations: Vec<Ruling>,
    findings: Vec<FoundData>,
}

/// One record with everything that a ruling on it names.
struct Case<'c> {
    records: &'c Records,
    record: &'c Testimony,
    context: Context<'c>,
    findings: &'c [Finding],
}

impl Pass {
    fn activate(&mut self, policy: &Arc<CompiledPolicy>) {
        let name = &policy.document().name;
        self.active.retain(|known| known.document().name != *name);
        let place = self.active.partition_point(|known| known.document().name < *name);
        self.active.insert(place, policy.clone());
    }

    fn retire(&mut self, name: &str, version: &str) {
        self.active.retain(|known| {
            let document = known.document();
            document.name != name || document.version != version
        });
    }

    fn record(&mut self, records: &Records, record: &Testimony) -> Result<(), JudgeError> {
        let event_type = record.event_type.as_str();
        let tools = [EventType::TOOL_CALL, EventType::TOOL_RESULT];
        let is_tools = self.joins && tools.contains(&record.event_type);
        let ends = self.joins
            && (record.event_type == EventType::SESSION_END
                || record.event_type == EventType::CHAIN_SEAL && !records.session.has_session_end);
        let policies: Vec<Arc<CompiledPolicy>> =
            self.active.iter().filter(|policy| policy.applies_to(event_type)).cloned().collect();
        if policies.is_empty() && !is_tools && !ends {
            if self.finds {
                self.find(records, record, personal_data::scan(&record.payload));
            }
            return Ok(());
        }
        let document = json::parse(record.payload.as_bytes(), DEPTH_MAX)
            .map_err(|_| JudgeError::Payload(record.event_id))?;
        let payload = &document.root;
        let findings = if self.finds {
            personal_data::scan_parsed(&record.payload, payload)
        } else {
            Vec::new()
        };
        let pii = PiiFacts {
            types: kinds(findings.iter()),
            count: findings.iter().map(|found| u64::from(found.count)).sum(),
        };
        let (mut event_id, mut session_id) = (Uuid::encode_buffer(), Uuid::encode_buffer());
        let context = Context {
            event: EventFacts {
                id: record.event_id.hyphenated().encode_lower(&mut event_id),
                event_type,
                sequence_number: record.sequence_number,
                timestamp: &record.timestamp_wall,
                actor_id: record.actor_id.as_deref(),
                session_id: records.session.id.0.hyphenated().encode_lower(&mut session_id),
            },
            payload,
            session: &records.session.facts,
            event_count: record.sequence_number + 1,
            pii: &pii,
        };
        let case = Case { records, record, context, findings: &findings };
        let mut verdict = Verdict::default();
        for policy in &policies {
            let broken = self.apply(policy, &case)?;
            if is_tools && record.event_type == EventType::TOOL_CALL {
                let Document { name, version, .. } = policy.document();
                verdict.judged_by.push(format!("{name}@{version}"));
                verdict.broken.extend(broken.into_iter().map(|c| format!("{name}/{c}")));
            }
        }
        if is_tools {
            self.calls.take(records, record, payload, verdict);
        }
        if ends {
            self.end(&case)?;
        }
        self.find(records, record, findings);
        Ok(())
    }

    fn find(&mut self, records: &Records, record: &Testimony, findings: Vec<Finding>) {
        let (session, sequence_number) = (records.session.id, record.sequence_number);
        let found =
            findings.into_iter().map(|f| FoundData { session, sequence_number, finding: f });
        self.findings.extend(found);
    }

    fn finish(self) -> Rulings {
        let Self { mut windows, moved, calls, violations, findings, .. } = self;
        windows.retain(|key, _| moved.contains(key));
        let (uses, results) = calls.finish();
        Rulings { violations, findings, uses, results, windows }
    }
}
