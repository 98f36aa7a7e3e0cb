//! The framework's own refusals are problems like ours.

use reqwest::Method;
use serde_json::{Value, json};
use tests::send;

use crate::refusing::{Target, problem};

#[tokio::test]
async fn an_unknown_path_is_a_problem() {
    let target = Target::new().await;
    for path in [
        "/v1/nothing",
        "/v2/sessions",
        "/v1/sessions/",
        "/V1/sessions",
        "//v1/sessions",
        "/v1/sessions/a/b/c",
        "/admin",
        "/%00",
        "/%ff",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = send(target.app.request(method, path)).await;
            problem(&answer, 404, "NOT_FOUND");
            assert_eq!(answer.body["instance"], path);
        }
    }
    target.lives().await;
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_that_names_the_right_ones() {
    let target = Target::new().await;
    let session = target.session;
    for (path, allowed) in [
        ("/v1/sessions".to_owned(), vec!["GET", "POST"]),
        (format!("/v1/sessions/{session}"), vec!["GET"]),
        (format!("/v1/sessions/{session}/events"), vec!["GET", "POST"]),
        (format!("/v1/sessions/{session}/seal"), vec!["POST"]),
        (format!("/v1/sessions/{session}/export"), vec!["GET"]),
        ("/v1/verify".to_owned(), vec!["POST"]),
        ("/health".to_owned(), vec!["GET"]),
    ] {
        for method in [Method::DELETE, Method::PUT, Method::PATCH] {
            let answer = send(target.app.request(method, &path)).await;
            problem(&answer, 405, "METHOD_NOT_ALLOWED");
            let header = answer.headers["allow"].to_str().unwrap();
            for method in &allowed {
                assert!(header.contains(method), "{path}: {header}");
            }
        }
    }
    target.lives().await;
}

#[tokio::test]
async fn a_path_that_names_no_session_finds_none() {
    let target = Target::new().await;
    let upper = target.session.to_string().to_uppercase();
    let bare = target.session.simple().to_string();
    for id in ["7", "null", "%00", "%ff", upper.as_str(), bare.as_str()] {
        for rest in ["", "/events", "/export?format=json&purpose=x"] {
            let path = format!("/v1/sessions/{id}{rest}");
            target.refuses(target.app.get(&path), 404, "SESSION_NOT_FOUND").await;
        }
        let path = format!("/v1/certificates/{id}");
        target.refuses(target.app.get(&path), 404, "SESSION_NOT_FOUND").await;
        let path = format!("/v1/sessions/{id}/seal");
        target.refuses(target.app.post(&path, &json!({})), 404, "SESSION_NOT_FOUND").await;
        let path = format!("/v1/sessions/{id}/events");
        let refused = target
            .refuses(target.app.post(&path, &target.next()), 404, "INGEST_SESSION_NOT_FOUND")
            .await;
        assert!(refused["session_id"].is_string(), "{id}: {refused}");
    }
    target.lives().await;
}

#[tokio::test]
async fn every_body_that_is_too_large_is_refused() {
    let target = Target::new().await;
    let big = " ".repeat(4 * 1024 * 1024 + 1);
    for path in ["/v1/sessions", "/v1/verify", &format!("/v1/sessions/{}/seal", target.session)] {
        let request = target.app.request(Method::POST, path);
        let request = request.header("content-type", "application/json").body(big.clone());
        let refused = target.refuses(send(request), 413, "BODY_TOO_LARGE").await;
        assert_eq!(refused["limit"], 4 * 1024 * 1024);
    }
    target.lives().await;
}

#[tokio::test]
async fn a_seal_request_is_read_strictly() {
    let target = Target::new().await;
    let path = format!("/v1/sessions/{}/seal", target.session);
    for body in [
        json!({ "incomplete": true, "force": true }),
        json!({ "incomplete": "yes" }),
        json!({ "reason": 7 }),
        json!({ "incomplete": true, "reason": "x".repeat(1025) }),
        json!([]),
    ] {
        target.refuses(target.app.post(&path, &body), 400, "REQUEST_INVALID").await;
    }
    let request = target.app.request(Method::POST, &path).body("incomplete=true");
    target.refuses(send(request), 415, "CONTENT_TYPE_INVALID").await;
    target.lives().await;
}

#[tokio::test]
async fn a_request_without_a_key_is_a_problem_and_says_how_to_ask() {
    let target = Target::new().await;
    let request = || target.app.bare_request(Method::POST, &target.path()).json(&target.next());
    for request in [
        request(),
        request().bearer_auth("exh_aaaaaaaa_nothing"),
        request().bearer_auth(&target.app.key[..target.app.key.len() - 1]),
        request().header("authorization", "Basic YTpi"),
        request().header("x-api-key", ""),
    ] {
        let sent = async {
            let answer = send(request).await;
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            answer
        };
        assert_eq!(target.refuses(sent, 401, "UNAUTHENTICATED").await, Value::Null);
    }
    target.lives().await;
}
