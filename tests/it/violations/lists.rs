//! Lists of violations: filters, pages, nothing twice.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{TestApp, events, tool_policy};

fn severity_policy(name: &str, severity: &str) -> Value {
    json!({
        "name": name, "version": "1.0.0", "applies_to": ["TOOL_CALL"],
        "controls": [{ "id": "no-tools", "severity": severity, "rules": [
            { "id": "none", "left": "event.type", "op": "!=", "right": "TOOL_CALL" } ] }],
    })
}

/// Two policies, two actors and one event without, three calls each.
async fn some(app: &TestApp) {
    app.activate_policy(&severity_policy("harsh", "critical")).await;
    app.activate_policy(&severity_policy("mild", "low")).await;
    for actor in [Some("ada"), Some("bob"), None] {
        let session = app.start_session().await;
        let calls: Vec<Value> = (0..3)
            .map(|n| {
                let mut call = events::call_of(session, n, "t");
                if let Some(actor) = actor {
                    call["actor_id"] = json!(actor);
                }
                call
            })
            .collect();
        let _ = app.append(session, &calls).await.expect(201);
    }
}

#[tokio::test]
async fn filters_narrow_the_list_to_what_they_name() {
    let app = TestApp::start().await;
    some(&app).await;
    let all = app.violations("").await;
    assert_eq!(all.len(), 18);
    let _ = app.act(&all[0], "acknowledge", &json!({})).await.expect(200);
    let session = all[0]["session_id"].as_str().unwrap();
    for (query, count) in [
        ("&severity=critical".to_owned(), 9),
        ("&policy=mild".to_owned(), 9),
        ("&policy=mild&severity=critical".to_owned(), 0),
        ("&actor=ada".to_owned(), 6),
        ("&actor=nobody".to_owned(), 0),
        ("&control=no-tools".to_owned(), 18),
        (format!("&session_id={session}"), 6),
        ("&status=ACKNOWLEDGED".to_owned(), 1),
        ("&status=OPEN".to_owned(), 17),
        ("&overdue=true".to_owned(), 0),
        ("&overdue=false".to_owned(), 18),
        ("&since=2020-01-01T00:00:00Z".to_owned(), 18),
        ("&until=2020-01-01T00:00:00Z".to_owned(), 0),
    ] {
        assert_eq!(app.violations(&query).await.len(), count, "{query}");
    }
    for query in ["severity=awful", "status=open", "overdue=perhaps", "unknown=1", "since=today"] {
        let refused = app.get(&format!("/v1/violations?{query}")).await.expect(400);
        assert_eq!(refused.code(), "QUERY_INVALID", "{query}");
    }
}

#[tokio::test]
async fn pages_have_no_hole_and_no_double_while_others_break_policies() {
    let app = TestApp::start().await;
    some(&app).await;
    app.settle().await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("/v1/violations?limit=4{cursor}")).await.expect(200).body;
        let ids = page["items"].as_array().unwrap().iter();
        seen.extend(ids.map(|v| v["violation_id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
        let session = app.start_session().await;
        let _ = app.append(session, &[events::call_of(session, 0, "t")]).await.expect(201);
        app.settle().await;
    }
    assert_eq!(seen.len(), 18, "what came later is not among them");
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 18);
    let foreign = app.get("/v1/violations?cursor=AAAA").await.expect(400);
    assert_eq!(foreign.code(), "CURSOR_INVALID");
}

#[tokio::test]
async fn a_list_is_not_sent_twice_to_who_holds_it() {
    let app = TestApp::start().await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    let first = app.get("/v1/violations").await.expect(200);
    let tag = first.headers["etag"].clone();
    let again = app.request(reqwest::Method::GET, "/v1/violations").header("if-none-match", tag);
    let _ = tests::send(again).await.expect(304);
}

#[tokio::test]
async fn a_list_that_names_an_appends_position_has_what_that_append_has_broken() {
    let app = TestApp::start().await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    for _ in 0..10 {
        let session = app.start_session().await;
        let calls: Vec<_> = (0..20).map(|n| events::call_of(session, n, "wire")).collect();
        let appended = app.append(session, &calls).await.expect(201).body;
        let path = format!("/v1/violations?session_id={session}");
        let request = app.request(reqwest::Method::GET, &path);
        let request = request.header("exhibit-min-position", appended["position"].to_string());
        let list = tests::send(request).await.expect(200).body;
        assert_eq!(list["items"].as_array().unwrap().len(), 20);
    }
}

#[tokio::test]
async fn a_list_waits_for_the_position_of_a_command() {
    let app = TestApp::start().await;
    let violation = super::commands::one_violation(&app).await;
    for round in 0..5 {
        let body = json!({ "to": format!("lead {round}"), "reason": "r" });
        let done = app.act(&violation, "escalate", &body).await.expect(200).body;
        let request = app
            .request(reqwest::Method::GET, "/v1/violations")
            .header("exhibit-min-position", done["position"].to_string());
        let list = tests::send(request).await.expect(200).body;
        assert_eq!(list["items"][0]["escalation_level"], round + 1);
    }
}
