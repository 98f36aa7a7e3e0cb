//! What breaks a policy becomes a violation that says why.

use std::borrow::Cow;

use domain::evidence::json::{self, DEPTH_MAX};
use domain::policy::compile::CompiledPolicy;
use domain::policy::context::{Context, EventFacts, PiiFacts, SessionFacts};
use domain::policy::validate::Policy;
use serde_json::{Value, json};
use tests::{TestApp, events, tool_policy};

#[tokio::test]
async fn a_tool_that_is_not_on_the_list_is_a_violation_with_everything_that_is_known() {
    let app = TestApp::start().await;
    let policy = app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session().await;
    let mut call = events::call_of(session, 1, "wire_transfer");
    call["actor_id"] = json!("ada");
    let _ = app.append(session, &[events::session_start(session), call.clone()]).await.expect(201);
    let violation = app.only_violation("").await;
    let record = &app.get(&format!("/v1/sessions/{session}/events")).await.body["items"][1];
    for (member, expected) in [
        ("session_id", json!(session)),
        ("event_id", call["event_id"].clone()),
        ("sequence_number", json!(1)),
        ("event_hash", record["event_hash"].clone()),
        ("actor_id", json!("ada")),
        ("agent_id", json!("refund-agent")),
        ("policy", json!("tool-access")),
        ("policy_version", json!("1.0.0")),
        ("policy_hash", policy["content_hash"].clone()),
        ("control", json!("allowed-tools")),
        ("rule", json!("on-the-list")),
        ("severity", json!("critical")),
        ("status", json!("OPEN")),
        ("escalation_level", json!(0)),
        ("overdue", json!(false)),
        ("risk_score", Value::Null),
    ] {
        assert_eq!(violation[member], expected, "{member}");
    }
    assert!(violation["reason"].as_str().unwrap().contains("payload.tool_name: not_in_list"));
    let (detected, due) = (&violation["detected_at"], &violation["due_at"]);
    let instant = |v: &Value| chrono::DateTime::parse_from_rfc3339(v.as_str().unwrap()).unwrap();
    assert_eq!(instant(due) - instant(detected), chrono::TimeDelta::hours(24));
    let view = app.session(session).await;
    assert_eq!(
        view["violations"],
        json!({ "judged": true, "total": 1, "open": 1, "unresolved": 1 })
    );
}

#[tokio::test]
async fn what_is_allowed_and_what_a_policy_does_not_apply_to_is_no_violation() {
    let app = TestApp::start().await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    app.sealed_session().await;
    assert_eq!(app.violations("").await, Vec::<Value>::new());
}

/// Patterns that blow up are refused when they are saved, and what is accepted holds nobody up.
#[tokio::test]
async fn hostile_patterns_and_long_texts_do_not_stop_the_server() {
    let app = TestApp::start().await;
    let policy = |pattern: String| {
        let rules: Vec<Value> = (0..4)
            .map(|n| {
                json!({
                    "id": format!("r{n}"), "left": "payload.a", "op": "regex",
                    "right": format!("{pattern}[^ab{n}]"),
                })
            })
            .collect();
        json!({
            "name": "hostile", "version": "1.0.0", "applies_to": ["h.x"],
            "controls": [{ "id": "c", "severity": "low", "rules": rules }],
        })
    };
    let huge = policy("(?:(?-u:[ab]){0,100}){0,100}".to_owned());
    let refused = app.draft_policy(&huge).await.expect(400);
    assert_eq!(refused.code(), "POLICY_INVALID");
    app.activate_policy(&policy("[ab]*a[ab]{60}".to_owned())).await;
    let session = app.start_session().await;
    let text = |bytes: usize| "ab".repeat(bytes / 2);
    let batch = [
        events::event(session, 0, "h.x", json!({ "a": text(30_000) })),
        events::event(session, 1, "h.x", json!({ "a": text(200_000) })),
    ];
    let _ = app.append(session, &batch).await.expect(201);
    let began = std::time::Instant::now();
    let _ = app.get("/health").await.expect(200);
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "requests are answered");
    let found = app.violations("").await;
    assert_eq!(found.len(), 8);
    let long = found.iter().filter(|v| v["sequence_number"] == 1);
    assert!(long.clone().all(|v| v["explanation"]["reason"] == "left_operand_too_long"));
    assert_eq!(long.count(), 4);
}

/// The rule text by its hash and the stored record are all that it takes.
#[tokio::test]
async fn an_explanation_can_be_computed_again_from_the_stored_text_and_the_stored_event() {
    let app = TestApp::start().await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session_with(json!({ "tags": ["blue"], "environment": "prod" })).await;
    let batch = [events::session_start(session), events::call_of(session, 1, "wire_transfer")];
    let _ = app.append(session, &batch).await.expect(201);
    let violation = app.only_violation("").await;
    // Another text is in force by now.
    app.activate_policy(&tool_policy("2.0.0")).await;

    let path = format!("/v1/policies/documents/{}", violation["policy_hash"].as_str().unwrap());
    let text = app.get(&path).await.expect(200).body;
    let policy = CompiledPolicy::new(&Policy::read(&text).unwrap()).unwrap();
    assert_eq!(policy.content_hash(), violation["policy_hash"]);
    let record = &app.get(&format!("/v1/sessions/{session}/events")).await.body["items"][1];
    assert_eq!(record["event_hash"], violation["event_hash"]);
    let payload = record["payload"].to_string();
    let payload = json::parse(payload.as_bytes(), DEPTH_MAX).unwrap().root;
    let facts = SessionFacts {
        agent_id: "refund-agent".to_owned(),
        environment: Some("prod".to_owned()),
        started_at: app.session(session).await["started_at"].as_str().unwrap().to_owned(),
        tags: vec!["blue".to_owned()],
    };
    let context = Context {
        event: EventFacts {
            id: record["event_id"].as_str().unwrap(),
            event_type: "TOOL_CALL",
            sequence_number: 1,
            timestamp: record["timestamp_wall"].as_str().unwrap(),
            actor_id: None,
            session_id: &session.to_string(),
        },
        payload: &payload,
        session: &facts,
        event_count: 2,
        pii: &PiiFacts::default(),
    };
    let mut failures = Vec::new();
    policy.failures(&context, &mut failures);
    let [failure] = failures.as_slice() else { panic!("{failures:?}") };
    let again =
        policy.explain(failure.control, failure.rule, &context, &|text| Cow::Borrowed(text));
    assert_eq!(json!(again), violation["explanation"]);
}

#[tokio::test]
async fn missing_data_is_a_violation_and_each_false_rule_is_one() {
    let app = TestApp::start().await;
    app.activate_policy(&json!({
        "name": "logins", "version": "1.0.0", "applies_to": ["auth.*"],
        "controls": [{
            "id": "known", "severity": "low",
            "rules": [
                { "id": "has-user", "left": "payload.user", "op": "!=", "right": "nobody" },
                { "id": "has-ip", "left": "payload.ip", "op": "exists" },
                { "id": "in-prod", "left": "session.environment", "op": "==", "right": "prod" },
            ],
        }],
    }))
    .await;
    let session = app.start_session_with(json!({ "environment": "prod" })).await;
    let start = events::session_start(session);
    let login = events::event(session, 1, "auth.login", json!({}));
    let _ = app.append(session, &[start, login]).await.expect(201);
    let found = app.violations("").await;
    let mut rules: Vec<&str> = found.iter().map(|v| v["rule"].as_str().unwrap()).collect();
    rules.sort_unstable();
    assert_eq!(rules, ["has-ip", "has-user"]);
    let user = found.iter().find(|v| v["rule"] == "has-user").unwrap();
    assert_eq!(user["explanation"]["reason"], "left_operand_not_found");
}
