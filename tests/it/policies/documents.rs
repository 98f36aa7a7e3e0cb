//! The documents: what is refused and where, both forms, and the text behind a hash.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, TestApp, send};

use super::tools;
use crate::refusing::problem;

async fn send_as(app: &TestApp, path: &str, media_type: &str, text: &str) -> Answer {
    let request = app.request(Method::POST, path).header("content-type", media_type);
    send(request.body(text.to_owned())).await
}

fn pointers(answer: &Answer) -> Vec<String> {
    let details = problem(answer, 400, "POLICY_INVALID");
    let errors = details["errors"].as_array().unwrap().iter();
    errors
        .map(|error| {
            assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()), "{error}");
            error["pointer"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn an_invalid_document_is_refused_with_the_place_of_each_fault() {
    let app = TestApp::start().await;
    let mut policy = tools("1.0", &["search"]);
    policy["colour"] = json!("red");
    policy["controls"][0]["severity"] = json!("grave");
    policy["controls"][0]["rules"][0]["shape"] = json!("round");
    let expected = ["/colour", "/controls/0/rules/0/shape", "/controls/0/severity", "/version"];
    for path in ["/v1/policies", "/v1/policies/validate"] {
        let mut found = pointers(&app.post(path, &policy).await);
        found.sort_unstable();
        assert_eq!(found, expected, "{path}");
    }
    let mut unknown = tools("1.0.0", &["search"]);
    unknown["controls"][0]["expression"] = json!({ "op": "and", "items": [{ "rule": "none" }] });
    let found = pointers(&app.draft_policy(&unknown).await);
    assert_eq!(found, ["/controls/0/expression/items/0/rule"]);
    assert_eq!(app.get("/v1/policies").await.expect(200).body["items"], json!([]));

    let good = tools("1.0.0", &["search"]);
    let _ = app.draft_policy(&good).await.expect(201);
    let path = app.version_path(&good);
    let others = tools("2.0.0", &["search"]);
    let request = app.request(Method::PUT, &path).json(&others);
    assert_eq!(pointers(&send(request).await), ["/version"]);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_exactly_is_refused() {
    let app = TestApp::start().await;
    let path = "/v1/policies/validate";
    let twice = r#"{"name": "a", "version": "1.0.0", "version": "2.0.0"}"#;
    assert_eq!(pointers(&send_as(&app, path, "application/json", twice).await), ["/version"]);
    for yaml in ["name: a\nname: b\n", "name: [a\n", "x: &a [*a]\n", "a: 1\n---\nb: 2\n", ""] {
        let refused = send_as(&app, path, "application/yaml", yaml).await;
        assert!(!pointers(&refused).is_empty(), "{yaml:?}");
    }
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let last = format!("*a{}", n - 1);
        bomb += &format!("a{n}: &a{n} [{}]\n", vec![last; 10].join(", "));
    }
    assert_eq!(pointers(&send_as(&app, path, "text/yaml", &bomb).await), [""]);
    let refused = send_as(&app, path, "text/plain", "name: a").await;
    problem(&refused, 415, "CONTENT_TYPE_INVALID");
    let _ = send_as(&app, path, "application/json", "{").await.expect(400);
}

const YAML: &str = "
# Which tools an agent may call.
name: tool-access
version: 1.0.0
applies_to: [TOOL_CALL]
controls:
  - id: allowed-tools
    severity: critical
    description: Only reviewed tools.
    rules:
      - {id: on-the-list, left: payload.tool_name, op: in, right: &list [search]}
";

#[tokio::test]
async fn yaml_and_json_of_one_policy_have_one_hash() {
    let app = TestApp::start().await;
    let policy = tools("1.0.0", &["search"]);
    let valid = app.post("/v1/policies/validate", &policy).await.expect(200).body;
    assert_eq!(valid["valid"], true);
    for media_type in ["application/yaml", "application/x-yaml", "text/yaml; charset=utf-8"] {
        let answer = send_as(&app, "/v1/policies/validate", media_type, YAML).await.expect(200);
        assert_eq!(answer.body, valid, "{media_type}");
    }
    let drafted = send_as(&app, "/v1/policies", "application/yaml", YAML).await.expect(201);
    assert_eq!(drafted.body["content_hash"], valid["content_hash"]);
    assert_eq!(app.policy_version(&policy).await["document"], policy);
}

#[tokio::test]
async fn the_schema_is_published_alike_by_server_and_command_line() {
    let app = TestApp::start().await;
    let served = app.get("/v1/policies/schema").await.expect(200);
    assert_eq!(served.headers["content-type"], "application/schema+json");
    assert_eq!(served.body["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let printed = app.cli(&["policy", "schema"]);
    assert!(printed.status.success());
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), served.text);
}

#[tokio::test]
async fn the_text_behind_a_hash_stays_through_revision_and_retirement() {
    let app = TestApp::start().await;
    let texts = [tools("1.0.0", &["search"]), tools("1.0.0", &["search", "pay"])];
    let mut hashes = Vec::new();
    let drafted = app.draft_policy(&texts[0]).await.expect(201).body;
    hashes.push(drafted["content_hash"].as_str().unwrap().to_owned());
    let revised = app.revise_policy(&texts[1]).await.expect(200).body;
    hashes.push(revised["content_hash"].as_str().unwrap().to_owned());
    let _ = app.policy_command(&texts[0], "submit", &json!({})).await.expect(200);
    let _ = app.approver_command(&texts[0], "activate", &json!({})).await.expect(200);
    app.retire_policy(&texts[0]).await;
    for (hash, text) in hashes.iter().zip(&texts) {
        let found = app.get(&format!("/v1/policies/documents/{hash}")).await.expect(200);
        assert_eq!(found.body, *text);
    }
    for unknown in ["sha256:", "none", &format!("sha256:{}", "0".repeat(64)), "%00"] {
        let absent = app.get(&format!("/v1/policies/documents/{unknown}")).await.expect(404);
        assert_eq!(absent.code(), "POLICY_NOT_FOUND", "{unknown}");
    }
}

#[tokio::test]
async fn the_texts_cannot_be_changed_even_by_the_owner_of_the_database() {
    let app = TestApp::start().await;
    let _ = app.draft_policy(&tools("1.0.0", &["search"])).await.expect(201);
    let database = app.database.as_ref().unwrap();
    for (who, pool) in
        [("owner", database.as_owner().await), ("server", database.as_role("exhibit_server").await)]
    {
        for statement in [
            "update policy_documents set document = '{}'",
            "update policy_documents set document = '{}' where false",
            "delete from policy_documents",
            "truncate policy_documents",
        ] {
            let error = sqlx::query(statement).execute(&pool).await.expect_err(statement);
            let code = error.as_database_error().unwrap().code();
            assert_eq!(code.as_deref(), Some("42501"), "{who}: {statement}");
        }
    }
    let stored: Value = app.policy_version(&tools("1.0.0", &[])).await["document"].clone();
    assert_eq!(stored, tools("1.0.0", &["search"]));
}
