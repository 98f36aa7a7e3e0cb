//! Policies in streams: for keys that may read policies, and for no others.

use serde_json::Value;
use tests::TestApp;

use super::tools;

fn types(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn policies_are_streamed_to_keys_that_may_read_them() {
    let app = TestApp::start().await;
    let blind = app.make_key("demo", "evidence:read");
    let sighted = app.make_key("demo", "evidence:read,policies:read");
    let mut seen = app.as_key(&sighted).stream("").await;
    let mut unseen = app.as_key(&blind).stream("").await;
    seen.expect("ready").await;
    unseen.expect("ready").await;
    app.activate_policy(&tools("1.0.0", &["search"])).await;
    let items = seen.items(3).await;
    let expected = ["policy.drafted", "policy.submitted", "policy.activated"];
    for (item, expected) in items.iter().zip(expected) {
        assert_eq!(item.get("type"), expected);
        assert_eq!(item.get("entity")["type"], "policy");
        assert_eq!(item.get("data")["name"], "tool-access");
        assert_eq!(item.get("data")["version"], "1.0.0");
        let text = item.data.as_ref().unwrap().to_string();
        assert!(!text.contains("on-the-list"), "the text is asked for by its hash: {text}");
    }
    let session = app.start_session().await;
    let first = unseen.item().await;
    assert_eq!(first.get("type"), "session.started");
    assert_eq!(first.get("entity")["id"], session.to_string());

    let history = app.as_key(&sighted).get("/v1/events/history").await.expect(200).body;
    assert!(expected.iter().all(|kind| types(&history).contains(kind)), "{history}");
    let history = app.as_key(&blind).get("/v1/events/history").await.expect(200).body;
    assert!(types(&history).contains(&"session.started"), "{history}");
    assert!(!types(&history).iter().any(|kind| kind.starts_with("policy.")), "{history}");
    let asked = app.as_key(&blind).get("/v1/events/history?types=policy.*").await;
    assert!(asked.status != 200 || types(&asked.body).is_empty(), "{}", asked.text);
}
