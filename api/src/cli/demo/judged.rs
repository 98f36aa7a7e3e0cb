//! The part of the demo that judges: a policy, what breaks it, and what people do about that.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::server::{Server, send};
use super::{note, step};
use crate::cli::{Fault, Outcome};

/// As it stands in `docs/policies`.
const POLICY: &str = include_str!("../../../../docs/policies/tool-allow-list.yaml");
const NAME: &str = "tool-allow-list";
const VERSION: &str = "1.0.0";

/// Between two looks at whether the session is judged, and how many of them.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS_MAX: usize = 100;

/// Written by one person, put in force by another. Whether it is.
pub(super) async fn activate_policy(
    author: &Server,
    approver: Option<&Server>,
) -> Result<bool, Fault> {
    step("Writing a policy: which tools the agent may call (docs/policies/tool-allow-list.yaml)");
    let path = format!("/v1/policies/{NAME}/versions/{VERSION}");
    let draft = author.request(Method::POST, "/v1/policies");
    let draft = draft.header(CONTENT_TYPE, "application/yaml").body(POLICY);
    match send(draft).await {
        Ok(drafted) => {
            let drafted: Value = serde_json::from_str(&drafted)?;
            note(&format!("{NAME} {VERSION} is a {}", shown(&drafted["status"])));
            note(&format!("its text is named {}", shown(&drafted["content_hash"])));
        }
        // Perhaps an earlier demo has written it on this server.
        Err(refused) => {
            let known: Value = serde_json::from_str(&author.get(&path).await?)?;
            if known["status"] != "ACTIVE" {
                return Err(refused);
            }
            note("it is in force already");
            return Ok(true);
        }
    }
    author.post(&format!("{path}/submit"), &json!({})).await?;
    note("handed in for review");
    match author.post(&format!("{path}/activate"), &json!({})).await {
        Ok(_) => return Err("an author has approved their own policy".into()),
        Err(_) => note("its author may not approve it: refused"),
    }
    let Some(approver) = approver else {
        note("nobody else is here: it stays in review (--approver-key)");
        return Ok(false);
    };
    step("Approving it: a second person puts the policy in force");
    let active = approver.post(&format!("{path}/activate"), &json!({})).await?;
    note(&format!(
        "{NAME} {VERSION} is {}, at position {} of the log",
        shown(&active["status"]),
        active["position"]
    ));
    Ok(true)
}

/// The agent has broken the policy: somebody looks into the first violation and resolves it.
pub(super) async fn work_on_violations(server: &Server, session: &str) -> Outcome {
    step("The server has judged each event by the policies in force, and looked for personal data");
    let view = judged(server, session).await?;
    let list = format!("/v1/violations?session_id={session}");
    let list: Value = serde_json::from_str(&server.get(&list).await?)?;
    let empty = Vec::new();
    let found = list["items"].as_array().unwrap_or(&empty);
    for violation in found.iter().rev() {
        note(&format!(
            "{:>3}  {:<8} {:<17} {}",
            violation["sequence_number"],
            shown(&violation["severity"]),
            shown(&violation["control"]),
            shown(&violation["reason"]),
        ));
    }
    note(&format!("personal data, by kind and never by text: {}", view["pii"]["found"]));
    let Some(first) = found.last() else { return Err("the policy was not broken".into()) };
    step("Working on the first violation: acknowledged, then resolved; the action log keeps both");
    let path = format!("/v1/violations/{}", shown(&first["violation_id"]));
    let steps = [
        ("acknowledge", json!({ "comment": "looking into it" })),
        ("resolve", json!({ "resolution": "the refund was approved by a person; limit raised" })),
    ];
    for (command, body) in steps {
        server.post(&format!("{path}/{command}"), &body).await?;
    }
    let violation: Value = serde_json::from_str(&server.get(&path).await?)?;
    for line in violation["actions"].as_array().unwrap_or(&empty) {
        let (number, action) = (&line["number"], shown(&line["action"]));
        note(&format!("{number}  {action:<13} by {}", shown(&line["actor"])));
    }
    Ok(())
}

/// The session's state, once every event of it is judged.
async fn judged(server: &Server, session: &str) -> Result<Value, Fault> {
    let path = format!("/v1/sessions/{session}");
    for _ in 0..LOOKS_MAX {
        let view: Value = serde_json::from_str(&server.get(&path).await?)?;
        let seen = view["violations"]["judged"] == true && view["violations"]["total"] != 0;
        if seen {
            return Ok(view);
        }
        tokio::time::sleep(LOOK).await;
    }
    Err("the session was not judged in time".into())
}

/// What the export names of all that.
pub(super) fn show_export(export: &Value) {
    let count = |member: &str| export[member].as_array().map_or(0, Vec::len);
    let actions: usize = export["violations"]
        .as_array()
        .map_or(0, |all| all.iter().filter_map(|v| v["actions"].as_array()).map(Vec::len).sum());
    note(&format!(
        "the export holds {} events, {} violations with {actions} actions, {} uses of tools,",
        count("events"),
        count("violations"),
        count("tool_access"),
    ));
    let places = export["pii"]["matches"].as_array().map_or(0, Vec::len);
    note(&format!(
        "{places} places of personal data, and {} entries of custody",
        count("chain_of_custody")
    ));
}

fn shown(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
