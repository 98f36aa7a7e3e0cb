//! The policy document as it is written: names and limits, no behaviour (contract/policy.md, 1).
//!
//! Only [`super::validate::Policy::read`] makes one that can be trusted: what stands here says
//! which shape a document has, the published schema and the checks beside it say what is allowed.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A policy, version by version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    pub name: String,
    pub version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification_channel: Option<String>,
    /// When an open violation becomes overdue; none means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sla_hours: Option<u32>,
    /// Whether the server escalates an overdue violation, once.
    #[serde(default)]
    pub auto_escalate: bool,
    /// Event types, `*` as a suffix; none means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies_to: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    #[serde(default)]
    pub controls: Vec<Control>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pii: Option<PiiClause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Models>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionThresholds>,
}

/// How bad it is when a control breaks, from mild to grave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == text)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Further events are refused (`INGEST_POLICY_LIMIT`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_events_per_session: Option<u64>,
    /// A session that ends with a `TOOL_CALL` without its `TOOL_RESULT` is a violation.
    #[serde(default)]
    pub require_tool_results: bool,
}

/// Which personal data and secrets are looked for, and how bad a find is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PiiClause {
    pub detectors: Vec<String>,
    pub severity: Severity,
}

/// The scorer versions that the policy relies on, as `name@version`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anomaly: Option<String>,
}

/// Risk scores from which on the decision changes; 0 ≤ review ≤ quarantine ≤ reject ≤ 100.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionThresholds {
    pub review: f64,
    pub quarantine: f64,
    pub reject: f64,
}

/// Rules that belong together; what breaks them is a violation under this id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    pub id: String,
    pub severity: Severity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub rules: Vec<Rule>,
    /// None means that every rule must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<Expression>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
}

/// One clause of what is allowed: `left op right`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub id: String,
    /// A path into the context.
    pub left: String,
    pub op: Operator,
    /// Absent only with `exists`; `Some(Value::Null)` is the value `null`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub right: Option<Value>,
}

/// Keeps `null` apart from an absent member.
pub(super) fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    #[serde(rename = "==")]
    Equal,
    #[serde(rename = "!=")]
    NotEqual,
    #[serde(rename = ">")]
    Greater,
    #[serde(rename = "<")]
    Less,
    #[serde(rename = ">=")]
    GreaterOrEqual,
    #[serde(rename = "<=")]
    LessOrEqual,
    In,
    NotIn,
    Contains,
    StartsWith,
    EndsWith,
    Regex,
    Exists,
}

impl Operator {
    pub const ALL: [Self; 13] = [
        Self::Equal,
        Self::NotEqual,
        Self::Greater,
        Self::Less,
        Self::GreaterOrEqual,
        Self::LessOrEqual,
        Self::In,
        Self::NotIn,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::Regex,
        Self::Exists,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::GreaterOrEqual => ">=",
            Self::LessOrEqual => "<=",
            Self::In => "in",
            Self::NotIn => "not_in",
            Self::Contains => "contains",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::Regex => "regex",
            Self::Exists => "exists",
        }
    }
}

/// How the rules of a control join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expression {
    pub op: Connective,
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Item {
    Rule(RuleReference),
    Expression(Expression),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleReference {
    pub rule: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Connective {
    And,
    Or,
    Not,
}

/// How many failures of a control, over a rolling window, make one violation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    #[serde(rename = "type")]
    pub kind: ThresholdKind,
    /// A whole number for `count` and `time_window`, a percentage for `percent`.
    pub value: f64,
    pub window_seconds: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdKind {
    Count,
    Percent,
    TimeWindow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_ordered_and_named_alike_everywhere() {
        for severity in Severity::ALL {
            assert_eq!(Severity::parse(severity.as_str()), Some(severity));
            assert_eq!(serde_json::json!(severity), severity.as_str());
        }
        assert!(Severity::ALL.is_sorted());
        assert_eq!(Severity::parse("Low"), None);
    }

    #[test]
    fn operators_are_named_alike_everywhere() {
        for operator in Operator::ALL {
            assert_eq!(serde_json::json!(operator), operator.as_str());
        }
    }

    #[test]
    fn a_right_side_of_null_is_not_an_absent_one() {
        let read = |text| serde_json::from_str::<Rule>(text).expect("a rule").right;
        assert_eq!(read(r#"{"id":"a","left":"x","op":"==","right":null}"#), Some(Value::Null));
        assert_eq!(read(r#"{"id":"a","left":"x","op":"exists"}"#), None);
    }
}
