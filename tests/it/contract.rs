//! The committed contract: what the code says, and what a client can count on.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;
use tests::TestApp;

use crate::operations::{OPEN, Operation, operations};
use crate::processes::{exhibit_in, run};

/// A file of the repository.
fn committed(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a verb of the binary prints.
fn printed(verb: &str) -> String {
    let ended = run(exhibit_in(Path::new("/nonexistent")).arg(verb));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}

fn document() -> Value {
    serde_json::from_str(&committed("openapi/openapi.json")).unwrap()
}

fn media_types<'a>(operation: &'a Operation, status: &str) -> Vec<&'a str> {
    let content = operation.document["responses"][status]["content"].as_object();
    content.into_iter().flatten().map(|(media_type, _)| media_type.as_str()).collect()
}

#[test]
fn the_committed_document_is_what_the_code_says() {
    let is_current = committed("openapi/openapi.json") == printed("openapi");
    assert!(is_current, "openapi/openapi.json is not that of the code: run `make contract`");
}

#[tokio::test]
async fn the_server_serves_the_committed_document() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/openapi.json").await.expect(200).body, document());
}

#[test]
fn the_readme_has_the_settings_of_the_code() {
    let readme = committed("README.md");
    let table = readme
        .split_once("<!-- settings -->\n")
        .and_then(|(_, rest)| rest.split_once("<!-- /settings -->"))
        .expect("README.md has the markers <!-- settings --> and <!-- /settings -->")
        .0;
    let is_current = table.trim() == printed("settings").trim();
    assert!(
        is_current,
        "the README's table of settings is not that of the code: run `make contract`"
    );
}

#[test]
fn the_table_of_settings_has_a_variable_and_an_explanation_for_each_flag() {
    let table = printed("settings");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(2)
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert!(rows.len() > 15, "{table}");
    for row in rows {
        let [flag, variable, default, what] = row[..] else { panic!("{row:?}") };
        assert!(flag.starts_with("`--"), "{row:?}");
        assert!(variable.starts_with("`EXHIBIT_"), "every flag has its variable: {row:?}");
        assert!(!default.is_empty() && !what.is_empty(), "{row:?}");
    }
}

#[test]
fn the_document_is_openapi_3_1_with_a_title_and_a_licence() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    assert_eq!(document["info"]["title"], "Exhibit");
    assert_eq!(document["info"]["license"]["identifier"], "Apache-2.0");
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert!(schemes.contains_key("bearer") && schemes.contains_key("api_key"));
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_it_does() {
    let mut names = HashSet::new();
    for operation in operations(&document()) {
        assert!(!operation.id.is_empty(), "{} {}", operation.method, operation.path);
        assert!(names.insert(operation.id.clone()), "{} is there twice", operation.id);
        let summary = operation.document["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty(), "{}", operation.id);
    }
}

#[test]
fn every_operation_documents_its_refusals_as_problems() {
    for operation in operations(&document()) {
        let responses = operation.document["responses"].as_object().unwrap();
        let statuses = responses.keys().map(String::as_str);
        let refusals: Vec<&str> = statuses.filter(|status| *status >= "400").collect();
        assert!(refusals.iter().any(|status| status.starts_with('4')), "{}", operation.id);
        for status in refusals {
            // Readiness answers with its parts, ready or not.
            let expected = match (operation.id.as_str(), status) {
                ("ready", "503") => "application/json",
                _ => "application/problem+json",
            };
            assert_eq!(media_types(&operation, status), [expected], "{} {status}", operation.id);
        }
    }
}

#[test]
fn every_operation_documents_what_it_answers_when_all_is_well() {
    for operation in operations(&document()) {
        let responses = operation.document["responses"].as_object().unwrap();
        let good: Vec<&String> =
            responses.keys().filter(|status| status.starts_with('2')).collect();
        assert!(!good.is_empty(), "{}", operation.id);
        for status in good {
            assert!(!media_types(&operation, status).is_empty(), "{} {status}", operation.id);
        }
    }
}

#[test]
fn every_operation_but_the_open_ones_asks_for_a_key_with_one_scope() {
    for operation in operations(&document()) {
        if OPEN.contains(&operation.id.as_str()) {
            assert!(operation.document["security"].is_null(), "{}", operation.id);
            continue;
        }
        let scope = operation.scope.as_deref().expect(&operation.id);
        let expected = serde_json::json!([{ "bearer": [scope] }, { "api_key": [scope] }]);
        assert_eq!(operation.document["security"], expected, "{}", operation.id);
        assert_eq!(operation.is_admin(), operation.path.starts_with("/admin/"), "{}", operation.id);
        for status in ["401", "403"] {
            let problem = media_types(&operation, status);
            assert_eq!(problem, ["application/problem+json"], "{} {status}", operation.id);
        }
    }
}

/// Every reference below a value.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').expect(reference);
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

/// The table of http.md, section 1, as far as it is built.
#[test]
fn operations_ask_for_the_scopes_of_the_contract() {
    let asked: Vec<(String, String)> = operations(&document())
        .into_iter()
        .filter(|operation| operation.path.starts_with("/v1/"))
        .map(|operation| {
            let Operation { method, path, scope, .. } = operation;
            (format!("{method} {path}"), scope.unwrap_or_default())
        })
        .collect();
    for (operation, scope) in [
        ("POST /v1/sessions", "ingest:write"),
        ("GET /v1/sessions", "evidence:read"),
        ("GET /v1/sessions/{session_id}", "evidence:read"),
        ("POST /v1/sessions/{session_id}/events", "ingest:write"),
        ("GET /v1/sessions/{session_id}/events", "evidence:read"),
        ("POST /v1/sessions/{session_id}/seal", "ingest:write"),
        ("GET /v1/sessions/{session_id}/export", "evidence:export"),
        ("POST /v1/verify", "evidence:read"),
        ("GET /v1/certificates/{session_id}", "certificates:read"),
        ("GET /v1/keys", "certificates:read"),
    ] {
        let found = asked.iter().find(|(asked, _)| asked == operation).expect(operation);
        assert_eq!(found.1, scope, "{operation}");
    }
}
