//! The judge's pass over a matter: entry by entry, record by record, in the order of the log.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::tools::{Calls, Verdict};
use super::{
    Entry, FoundData, Matter, PII_CONTROL, Records, Ruling, Rulings, TOOL_RESULTS_CONTROL,
    Testimony, WindowKey,
};
use crate::evidence::canonical::CanonicalError;
use crate::evidence::event_type::EventType;
use crate::evidence::json::{self, DEPTH_MAX};
use crate::evidence::record::format_micros;
use crate::hash::Hash;
use crate::ids::TenantId;
use crate::personal_data::{self, Finding};
use crate::policy::compile::CompiledPolicy;
use crate::policy::context::{Context, EventFacts, PiiFacts};
use crate::policy::document::{Control, Document, Severity, ThresholdKind};
use crate::policy::evaluate::Failure;
use crate::policy::explain::Explanation;
use crate::policy::window::{Crossing, Window};
use crate::violation::{DedupKey, Detected, Occurrence};

/// A session that ends with a call unanswered says so with this severity.
const TOOL_RESULTS_SEVERITY: Severity = Severity::Medium;

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

/// What a violation is about, beside its case.
struct Breach<'b> {
    control: &'b str,
    rule: Option<&'b str>,
    severity: Severity,
    occurrence: Occurrence,
    reason: String,
    explanation: Value,
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

    /// Holds a record against one policy. The controls that it breaks, each once.
    fn apply(
        &mut self,
        policy: &Arc<CompiledPolicy>,
        case: &Case<'_>,
    ) -> Result<Vec<String>, JudgeError> {
        let mut failures: Vec<Failure> = Vec::new();
        policy.failures(&case.context, &mut failures);
        let document = policy.document();
        let mut broken: Vec<String> = Vec::new();
        for (number, control) in document.controls.iter().enumerate() {
            let of_control = || failures.iter().filter(|failure| failure.control == number);
            let failed = of_control().next().is_some();
            if failed {
                broken.push(control.id.clone());
            }
            match &control.threshold {
                None => {
                    for failure in of_control() {
                        self.raise_rule(policy, control, *failure, case)?;
                    }
                }
                Some(_) => self.count(policy, number, failed, case)?,
            }
        }
        if self.personal_data(policy, case)? {
            broken.push(PII_CONTROL.to_owned());
        }
        Ok(broken)
    }

    fn raise_rule(
        &mut self,
        policy: &CompiledPolicy,
        control: &Control,
        failure: Failure,
        case: &Case<'_>,
    ) -> Result<(), JudgeError> {
        let explanation = policy.explain(failure.control, failure.rule, &case.context, &masked);
        let rule = failure.rule.and_then(|at| control.rules.get(at)).map(|rule| rule.id.as_str());
        let breach = Breach {
            control: &control.id,
            rule,
            severity: control.severity,
            occurrence: Occurrence::Event(case.record.event_id),
            reason: said(control, &explanation),
            explanation: json!(explanation),
        };
        self.raise(policy, case, breach)
    }

    /// Counts one event of a control with a threshold; the crossing alone is a violation.
    fn count(
        &mut self,
        policy: &CompiledPolicy,
        number: usize,
        failed: bool,
        case: &Case<'_>,
    ) -> Result<(), JudgeError> {
        let Document { name, version, controls, .. } = policy.document();
        let Some(control) = controls.get(number) else { return Ok(()) };
        let Some(threshold) = &control.threshold else { return Ok(()) };
        let by_actor = threshold.kind == ThresholdKind::Percent;
        if !failed && !by_actor {
            return Ok(());
        }
        let actor = case.record.actor_id.as_deref().filter(|_| by_actor).unwrap_or_default();
        let key = WindowKey {
            policy: name.clone(),
            version: version.clone(),
            control: control.id.clone(),
            actor: actor.to_owned(),
        };
        let window = self.windows.entry(key.clone()).or_default();
        let crossing = window.push(threshold, case.record.received_at.timestamp_micros(), failed);
        self.moved.insert(key);
        let Some(crossing) = crossing else { return Ok(()) };
        let Crossing { window_start_micros, failures, events } = crossing;
        let start = DateTime::from_timestamp_micros(window_start_micros).unwrap_or(self.now);
        let mut crossed = json!(threshold);
        crossed["window_start"] = json!(format_micros(start));
        (crossed["failures"], crossed["events"]) = (json!(failures), json!(events));
        let last = policy.explain(number, None, &case.context, &masked);
        let breach = Breach {
            control: &control.id,
            rule: None,
            severity: control.severity,
            occurrence: if by_actor {
                Occurrence::WindowOf(start, actor.to_owned())
            } else {
                Occurrence::Window(start)
            },
            reason: format!(
                "{} ({failures} failures within {} seconds)",
                control.description.as_deref().unwrap_or(&control.id).trim_end_matches('.'),
                threshold.window_seconds
            ),
            explanation: json!({ "threshold": crossed, "last": last }),
        };
        self.raise(policy, case, breach)
    }

    /// Whether the event holds personal data that the policy forbids.
    fn personal_data(
        &mut self,
        policy: &CompiledPolicy,
        case: &Case<'_>,
    ) -> Result<bool, JudgeError> {
        let Some(clause) = &policy.document().pii else { return Ok(false) };
        let forbidden: Vec<&Finding> = case
            .findings
            .iter()
            .filter(|found| clause.detectors.iter().any(|d| d == found.detector.as_str()))
            .collect();
        if forbidden.is_empty() {
            return Ok(false);
        }
        let breach = Breach {
            control: PII_CONTROL,
            rule: None,
            severity: clause.severity,
            occurrence: Occurrence::Event(case.record.event_id),
            reason: format!("personal data: {}", kinds(forbidden.iter().copied()).join(", ")),
            explanation: json!({ "pii": { "detectors": clause.detectors, "findings": forbidden } }),
        };
        self.raise(policy, case, breach)?;
        Ok(true)
    }

    /// A session has ended: calls without results break the policies that demand them. Limits are
    /// about the session, whichever events a policy applies to.
    fn end(&mut self, case: &Case<'_>) -> Result<(), JudgeError> {
        let open = self.calls.open(case.records.session.id);
        let Some(first) = open.first().map(|call| call.sequence_number) else { return Ok(()) };
        let count = open.len();
        let demanding: Vec<Arc<CompiledPolicy>> =
            self.active.iter().filter(|policy| policy.demands_tool_results()).cloned().collect();
        for policy in demanding {
            let breach = Breach {
                control: TOOL_RESULTS_CONTROL,
                rule: None,
                severity: TOOL_RESULTS_SEVERITY,
                occurrence: Occurrence::Event(case.record.event_id),
                reason: format!("the session ended with {count} tool calls without a result"),
                explanation: json!({
                    "require_tool_results": { "unanswered": count, "first_sequence": first },
                }),
            };
            self.raise(&policy, case, breach)?;
        }
        Ok(())
    }

    fn raise(
        &mut self,
        policy: &CompiledPolicy,
        case: &Case<'_>,
        breach: Breach<'_>,
    ) -> Result<(), JudgeError> {
        let Case { records, record, .. } = case;
        let document = policy.document();
        let Breach { control, rule, severity, occurrence, reason, explanation } = breach;
        let key = DedupKey::of(
            self.tenant,
            (&document.name, control, rule),
            records.session.id,
            occurrence,
        )?;
        if !self.found.insert(key.0) {
            return Ok(());
        }
        let sla = document.sla_hours.map(|hours| TimeDelta::hours(i64::from(hours)));
        let to = document.owner.as_ref().or(document.notification_channel.as_ref());
        self.violations.push(Ruling {
            detected: Detected {
                violation_id: key.violation_id(self.tenant),
                dedup_key: key.0,
                session_id: records.session.id,
                event_id: record.event_id,
                sequence_number: record.sequence_number,
                event_hash: record.event_hash,
                actor_id: record.actor_id.clone(),
                agent_id: records.session.facts.agent_id.clone(),
                policy: document.name.clone(),
                policy_version: document.version.clone(),
                policy_hash: policy.content_hash().to_owned(),
                control: control.to_owned(),
                rule: rule.map(str::to_owned),
                severity,
                reason,
                explanation,
                risk_score: None,
                detected_at: self.now,
                due_at: sla.and_then(|sla| self.now.checked_add_signed(sla)),
                auto_escalate_to: document
                    .auto_escalate
                    .then(|| to.unwrap_or(&document.name).clone()),
            },
            correlation_id: records.correlation_id.clone(),
        });
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

/// The kinds of findings, each once, by name.
fn kinds<'f>(findings: impl Iterator<Item = &'f Finding>) -> Vec<&'static str> {
    let mut kinds: Vec<&'static str> = findings.map(|found| found.detector.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn masked(text: &str) -> Cow<'_, str> {
    personal_data::mask(text)
}

/// Rules that a reason names.
const RULES_NAMED_MAX: usize = 3;

/// The reason in words: which control, which paths, and how their rules came out; never a value.
fn said(control: &Control, explanation: &Explanation) -> String {
    let what = control.description.as_deref().unwrap_or(&control.id).trim_end_matches('.');
    let mut rules = Vec::new();
    false_rules(explanation, &mut rules);
    rules.truncate(RULES_NAMED_MAX);
    match rules.as_slice() {
        [] => format!("{what} (the expression is false)"),
        rules => format!("{what} ({})", rules.join(", ")),
    }
}

/// Rules that made it false: those that are false where nothing around them asked for that.
fn false_rules(explanation: &Explanation, out: &mut Vec<String>) {
    match explanation {
        Explanation::Rule(rule) => {
            let reason = rule.reason.and_then(|reason| serde_json::to_value(reason).ok());
            if let Some(reason) = reason.as_ref().and_then(Value::as_str) {
                out.push(format!("{}: {reason}", rule.left));
            }
        }
        Explanation::Expression(expression) if expression.result => {}
        Explanation::Expression(expression) => {
            expression.items.iter().for_each(|item| false_rules(item, out));
        }
    }
}
