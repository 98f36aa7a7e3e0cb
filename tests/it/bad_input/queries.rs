//! Query strings are read strictly, on every route.

use reqwest::Method;
use serde_json::json;
use tests::{TestApp, send};

use crate::refusing::{Target, problem};

#[tokio::test]
async fn an_unknown_parameter_is_refused_on_every_route() {
    let target = Target::new().await;
    let app = &target.app;
    let admin = app.make_key("demo", "admin");
    let document = app.get("/openapi.json").await.expect(200).body;
    let mut walked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let key = if path.starts_with("/admin") { &admin } else { &app.key };
            let path = filled(path, &target);
            let request = app.bare_request(method, &format!("{path}?surprise=1")).bearer_auth(key);
            let answer = send(request.json(&json!({}))).await;
            problem(&answer, 400, "QUERY_INVALID");
            assert!(answer.body["detail"].as_str().unwrap().contains("surprise"), "{path}");
            walked += 1;
        }
    }
    assert!(walked >= 20, "{walked}");
    target.lives().await;
}

#[tokio::test]
async fn a_parameter_of_the_wrong_form_is_refused() {
    let target = Target::new().await;
    let session = format!("/v1/sessions/{}", target.session);
    for query in [
        "/v1/sessions?limit=0".to_owned(),
        "/v1/sessions?limit=501".to_owned(),
        "/v1/sessions?limit=-1".to_owned(),
        "/v1/sessions?limit=1.0".to_owned(),
        "/v1/sessions?limit=many".to_owned(),
        "/v1/sessions?limit=18446744073709551616".to_owned(),
        "/v1/sessions?limit=1&limit=2".to_owned(),
        "/v1/sessions?status=asleep".to_owned(),
        "/v1/sessions?evidence_class=BEST".to_owned(),
        "/v1/sessions?since=yesterday".to_owned(),
        "/v1/sessions?until=2026-03-01T10:00:00".to_owned(),
        "/v1/sessions?agent_id=a%00b".to_owned(),
        "/v1/sessions?%ff=1".to_owned(),
        format!("{session}/events?limit=0"),
        format!("{session}/events?limit=501"),
        format!("{session}/events?offset=1"),
        format!("{session}/export?format=json"),
        format!("{session}/export?purpose=audit"),
        format!("{session}/export?format=xml&purpose=audit"),
        format!("{session}/export?format=JSON&purpose=audit"),
        format!("{session}/export?format=json&purpose="),
        format!("{session}/export?format=json&purpose=%20"),
        format!("{session}/export?format=json&purpose=a%0ab"),
        format!("{session}/export?format=json&purpose={}", "x".repeat(257)),
    ] {
        target.refuses(target.app.get(&query), 400, "QUERY_INVALID").await;
    }
    for query in ["receipt=maybe", "receipt=1", "receipts=true"] {
        let path = format!("{session}/events?{query}");
        target.refuses(target.app.post(&path, &target.next()), 400, "QUERY_INVALID").await;
    }
    target.lives().await;
}

#[tokio::test]
async fn a_page_has_1_to_500_items() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    for limit in [1, 500] {
        for path in ["/v1/sessions".to_owned(), format!("/v1/sessions/{session}/events")] {
            let page = app.get(&format!("{path}?limit={limit}")).await.expect(200);
            assert!(page.body["items"].as_array().is_some_and(|items| !items.is_empty()));
        }
    }
}

/// A path of the document with something for each of its parameters.
fn filled(path: &str, target: &Target) -> String {
    let session = target.session.to_string();
    let mut filled = path.replace("{session_id}", &session);
    for name in [
        "{tenant_id}",
        "{key_id}",
        "{violation_id}",
        "{name}",
        "{version}",
        "{content_hash}",
        "{backtest_id}",
        "{export_id}",
        "{bundle_id}",
        "{pack_id}",
        "{file_name}",
    ] {
        filled = filled.replace(name, &session);
    }
    assert!(!filled.contains('{'), "{path}");
    filled
}
