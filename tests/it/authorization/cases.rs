//! What each operation is called with.

use serde_json::{Value, json};
use tests::events;
use uuid::Uuid;

/// What a key of another tenant finds when it may do the operation as such.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Foreign {
    /// The same answer as for what does not exist.
    Hidden,
    /// Its own things, and nothing else.
    OwnAlone,
    /// `/admin` is above tenants.
    Everything,
}

/// What an operation is called with: query, body, and what a foreign key finds.
pub struct Case(pub &'static str, pub Option<Value>, pub Foreign);

/// Resources that the paths and bodies name.
#[derive(Clone, Copy, Default)]
pub struct Names<'a> {
    /// Names a policy, too: see [`Names::policy`].
    pub session: Uuid,
    pub tenant: &'a str,
    pub key: &'a str,
    /// Without `sha256:`.
    pub content_hash: &'a str,
    pub backtest: Uuid,
    pub violation: Uuid,
    /// An evidence export, a bundle and a pack.
    pub exports: [Uuid; 3],
}

impl Names<'_> {
    /// A policy that is one session's, version 1.0.0: what a tool call breaks.
    pub fn policy(self) -> Value {
        json!({
            "name": format!("p-{}", self.session), "version": "1.0.0", "applies_to": ["TOOL_CALL"],
            "controls": [{ "id": "none", "severity": "low", "rules": [
                { "id": "none", "left": "payload.tool_name", "op": "==", "right": "none" },
            ] }],
        })
    }
}

/// An operation without an entry fails the walks.
pub fn case(operation: &str, names: Names<'_>) -> Case {
    use Foreign::{Everything, Hidden, OwnAlone};
    let Names { session, tenant, .. } = names;
    match operation {
        "getSession" | "listEvents" | "getCertificate" | "streamSession" => Case("", None, Hidden),
        "exportSession" => Case("?format=jsonl&purpose=walk", None, Hidden),
        "sealSession" => Case("", Some(json!({ "incomplete": true })), Hidden),
        "verify" => Case("", Some(json!({ "session_id": session })), Hidden),
        "appendEvents" => Case("", Some(events::session_start(session)), Hidden),
        "startSession" => Case("", Some(json!({ "agent_id": "walker" })), OwnAlone),
        "listSessions"
        | "listSealKeys"
        | "streamLog"
        | "listHistory"
        | "aggregateEventsOverTime"
        | "aggregateTools"
        | "aggregateAgents"
        | "aggregateSessionsByClass" => Case("", None, OwnAlone),
        "createStreamTicket" => Case("", Some(json!({})), OwnAlone),
        "createTenant" => Case("", Some(json!({ "name": "walked" })), Everything),
        "createKey" => {
            let body = json!({ "tenant": tenant, "label": "walked", "scopes": ["evidence:read"] });
            Case("", Some(body), Everything)
        }
        "listTenants" | "getTenant" | "suspendTenant" | "resumeTenant" => {
            Case("", None, Everything)
        }
        "listKeys" | "getKey" | "revokeKey" => Case("", None, Everything),
        other => case_of_policies(other, names)
            .or_else(|| case_of_exports(other, names))
            .unwrap_or_else(|| panic!("the walk has no entry for the operation {other}: add one")),
    }
}

fn case_of_policies(operation: &str, names: Names<'_>) -> Option<Case> {
    use Foreign::{Hidden, OwnAlone};
    let reason = || json!({ "reason": "walked" });
    Some(match operation {
        "listPolicyVersions" | "getPolicyVersion" | "getPolicyDocument" | "listBacktests"
        | "getBacktest" => Case("", None, Hidden),
        "diffPolicyVersions" => Case("?from=1.0.0&to=1.0.0", None, Hidden),
        "revisePolicy" => Case("", Some(names.policy()), Hidden),
        "submitPolicy" | "activatePolicy" | "startBacktest" | "cancelBacktest" => {
            Case("", Some(json!({})), Hidden)
        }
        "rejectPolicy" | "retirePolicy" | "reopenViolation" => Case("", Some(reason()), Hidden),
        "draftPolicy" | "validatePolicy" => {
            let of_nobody = Names::default();
            Case("", Some(of_nobody.policy()), OwnAlone)
        }
        "getViolation" | "listViolationActions" | "listPersonalData" | "listSessionToolAccess" => {
            Case("", None, Hidden)
        }
        "acknowledgeViolation" => Case("", Some(json!({})), Hidden),
        "commentViolation" => Case("", Some(json!({ "comment": "walked" })), Hidden),
        "escalateViolation" => {
            Case("", Some(json!({ "to": "walker", "reason": "walked" })), Hidden)
        }
        "resolveViolation" => Case("", Some(json!({ "resolution": "walked" })), Hidden),
        "bulkViolations" => {
            let body = json!({ "ids": [names.violation], "command": { "type": "acknowledge" } });
            Case("", Some(body), OwnAlone)
        }
        "listPolicies"
        | "getPolicySchema"
        | "listViolations"
        | "listToolAccess"
        | "getComplianceDashboard"
        | "aggregateViolationsByPolicy"
        | "aggregateViolationsBySeverity"
        | "aggregateViolationsByActor"
        | "aggregateSla" => Case("", None, OwnAlone),
        _ => return None,
    })
}

fn case_of_exports(operation: &str, names: Names<'_>) -> Option<Case> {
    use Foreign::{Hidden, OwnAlone};
    Some(match operation {
        "requestExport" | "requestBundle" => Case("", Some(json!({ "purpose": "walk" })), OwnAlone),
        "requestEvidencePack" => {
            let body = json!({
                "session_id": names.session, "formats": ["json"], "audience": "PARTNER",
                "purpose": "walk",
            });
            Case("", Some(body), Hidden)
        }
        "getExport" | "getBundle" | "getEvidencePack" | "downloadExportFile"
        | "downloadBundleFile" => Case("", None, Hidden),
        "downloadEvidencePackFile" => Case("?link=AAAA", None, Hidden),
        "auditExports" => Case("", None, OwnAlone),
        _ => return None,
    })
}
