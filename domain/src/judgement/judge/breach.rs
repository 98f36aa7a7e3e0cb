//! Holding one record against one policy, and raising what it breaks.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use super::wording::{kinds, masked, said};
use super::{Case, JudgeError, Pass};
use crate::evidence::record::format_micros;
use crate::judgement::{PII_CONTROL, Ruling, TOOL_RESULTS_CONTROL, WindowKey};
use crate::personal_data::Finding;
use crate::policy::compile::CompiledPolicy;
use crate::policy::document::{Control, Document, Severity, ThresholdKind};
use crate::policy::evaluate::Failure;
use crate::policy::window::Crossing;
use crate::violation::{DedupKey, Detected, Occurrence};

/// A session that ends with a call unanswered says so with this severity.
const TOOL_RESULTS_SEVERITY: Severity = Severity::Medium;

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
    /// Holds a record against one policy. The controls that it breaks, each once.
    pub(super) fn apply(
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
    pub(super) fn end(&mut self, case: &Case<'_>) -> Result<(), JudgeError> {
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
}
