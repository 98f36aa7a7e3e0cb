//! Lists, pages, differences, and what another tenant sees of them: nothing.

use serde_json::{Value, json};
use tests::{ALL_SCOPES, TestApp};

use super::tools;
use crate::refusing::problem;

fn named(name: &str, version: &str) -> Value {
    let mut policy = tools(version, &["search"]);
    policy["name"] = json!(name);
    policy
}

fn versions(page: &Value) -> Vec<String> {
    let rows = page["items"].as_array().unwrap().iter();
    rows.map(|row| {
        format!("{}@{}", row["name"].as_str().unwrap(), row["version"].as_str().unwrap())
    })
    .collect()
}

#[tokio::test]
async fn versions_are_listed_by_name_the_latest_draft_first_page_by_page() {
    let app = TestApp::start().await;
    for (name, version) in [("b", "1.0.0"), ("a", "1.0.0"), ("b", "1.1.0"), ("b", "1.0.1")] {
        let _ = app.draft_policy(&named(name, version)).await.expect(201);
    }
    let all = ["a@1.0.0", "b@1.0.1", "b@1.1.0", "b@1.0.0"];
    assert_eq!(versions(&app.get("/v1/policies").await.expect(200).body), all);
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("/v1/policies?limit=1{cursor}")).await.expect(200).body;
        paged.extend(versions(&page));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, all);
    let of_b = app.get("/v1/policies/b?limit=2").await.expect(200).body;
    assert_eq!(versions(&of_b), ["b@1.0.1", "b@1.1.0"]);
    let next = of_b["next_cursor"].as_str().unwrap();
    let rest = app.get(&format!("/v1/policies/b?cursor={next}")).await.expect(200).body;
    assert_eq!(versions(&rest), ["b@1.0.0"]);
    let other = app.get(&format!("/v1/policies?cursor={next}")).await;
    problem(&other, 400, "CURSOR_INVALID");

    let _ = app.policy_command(&named("b", "1.0.0"), "submit", &json!({})).await.expect(200);
    let review = app.get("/v1/policies?status=REVIEW").await.expect(200).body;
    assert_eq!(versions(&review), ["b@1.0.0"]);
    let of_a = app.get("/v1/policies?name=a").await.expect(200).body;
    assert_eq!(versions(&of_a), ["a@1.0.0"]);
    for bad in ["status=active", "limit=0", "limit=501", "colour=red"] {
        problem(&app.get(&format!("/v1/policies?{bad}")).await, 400, "QUERY_INVALID");
    }
}

#[tokio::test]
async fn what_differs_between_two_versions_is_named_place_by_place() {
    let app = TestApp::start().await;
    let (first, mut second) = (tools("1.0.0", &["search"]), tools("2.0.0", &["search", "pay"]));
    second["owner"] = json!("security@example.org");
    second["applies_to"] = json!(null);
    second.as_object_mut().unwrap().remove("applies_to");
    for policy in [&first, &second] {
        let _ = app.draft_policy(policy).await.expect(201);
    }
    let path = "/v1/policies/tool-access/diff";
    let diff = app.get(&format!("{path}?from=1.0.0&to=2.0.0")).await.expect(200).body;
    assert_eq!(diff["truncated"], false);
    assert_eq!(
        diff["changes"],
        json!([
            { "pointer": "/applies_to", "change": "removed", "from": ["TOOL_CALL"] },
            { "pointer": "/controls/0/rules/0/right/1", "change": "added", "to": "pay" },
            { "pointer": "/version", "change": "changed", "from": "1.0.0", "to": "2.0.0" },
            { "pointer": "/owner", "change": "added", "to": "security@example.org" },
        ])
    );
    let same = app.get(&format!("{path}?from=1.0.0&to=1.0.0")).await.expect(200).body;
    assert_eq!(same["changes"], json!([]));
    problem(&app.get(&format!("{path}?from=1.0.0&to=3.0.0")).await, 404, "POLICY_NOT_FOUND");
    problem(&app.get(&format!("{path}?from=1.0.0")).await, 400, "QUERY_INVALID");
    problem(&app.get(&format!("{path}?from=1.0.0&to=%00")).await, 400, "QUERY_INVALID");
}

#[tokio::test]
async fn another_tenant_finds_what_it_would_find_if_there_were_nothing() {
    let app = TestApp::start().await;
    let policy = tools("1.0.0", &["search"]);
    let hash = app.activate_policy(&policy).await["content_hash"].clone();
    let hash = hash.as_str().unwrap();
    let key = app.make_key(&app.make_tenant("other"), ALL_SCOPES);
    let other = app.as_key(&key);
    let version = app.version_path(&policy);
    for path in [
        "/v1/policies/tool-access",
        "/v1/policies/tool-access/diff?from=1.0.0&to=1.0.0",
        &version,
        &format!("{version}/backtests"),
        &format!("/v1/policies/documents/{hash}"),
    ] {
        assert_eq!(other.get(path).await.expect(404).code(), "POLICY_NOT_FOUND", "{path}");
    }
    for (verb, body) in [
        ("submit", json!({})),
        ("activate", json!({})),
        ("backtest", json!({})),
        ("reject", json!({ "reason": "no" })),
        ("retire", json!({ "reason": "no" })),
    ] {
        let answer = other.post(&format!("{version}/{verb}"), &body).await.expect(404);
        assert_eq!(answer.code(), "POLICY_NOT_FOUND", "{verb}");
    }
    assert_eq!(other.get("/v1/policies").await.expect(200).body["items"], json!([]));
    let _ = other.post("/v1/policies", &policy).await.expect(201);
    assert_eq!(app.policy_version(&policy).await["status"], "ACTIVE");
    let absent = format!("{}%00", app.version_path(&policy));
    assert_eq!(app.get(&absent).await.expect(404).code(), "POLICY_NOT_FOUND");
}
