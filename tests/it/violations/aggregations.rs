//! Dashboard and aggregations agree with a count of everything, one by one.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::{TestApp, events};

fn policy(name: &str, severity: &str) -> Value {
    json!({
        "name": name, "version": "1.0.0", "applies_to": ["TOOL_CALL"], "sla_hours": 5,
        "controls": [{ "id": "none", "severity": severity, "rules": [
            { "id": "none", "left": "event.type", "op": "!=", "right": "TOOL_CALL" } ] }],
    })
}

/// Violations over three days, in every state.
async fn a_busy_week() -> TestApp {
    let app = TestApp::start_with_clock().await;
    app.activate_policy(&policy("harsh", "critical")).await;
    app.activate_policy(&policy("mild", "low")).await;
    for (day, actors) in [(0, vec!["ada", "bob"]), (1, vec!["ada"]), (2, vec!["eve", "ada", ""])] {
        app.travel_to(day * 86_400);
        for actor in actors {
            let session = app.start_session().await;
            let mut calls: Vec<Value> =
                (0..3).map(|n| events::call_of(session, n, "mail")).collect();
            if !actor.is_empty() {
                for call in &mut calls {
                    call["actor_id"] = json!(actor);
                }
            }
            let mut mail = events::call_of(session, 3, "mail");
            mail["payload"]["args"] = json!({ "to": "grace@example.org" });
            calls.push(mail);
            let _ = app.append(session, &calls).await.expect(201);
        }
        let found = app.violations("&status=OPEN").await;
        for violation in found.iter().step_by(3) {
            let _ = app.act(violation, "acknowledge", &json!({})).await.expect(200);
        }
        app.travel_to(day * 86_400 + 7_200);
        for violation in found.iter().step_by(6) {
            let body = json!({ "resolution": "done" });
            let _ = app.act(violation, "resolve", &body).await.expect(200);
        }
        if let Some(violation) = found.first() {
            let _ = app.act(violation, "reopen", &json!({ "reason": "no" })).await.expect(200);
        }
    }
    app.travel_to(2 * 86_400 + 20_000);
    app.settle().await;
    app
}

fn count_by(all: &[Value], key: impl Fn(&Value) -> String) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for violation in all {
        *counts.entry(key(violation)).or_default() += 1;
    }
    counts
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_dashboard_agrees_with_a_count_of_everything() {
    let app = a_busy_week().await;
    let all = app.violations("").await;
    let board = app.get("/v1/dashboards/compliance").await.expect(200).body;
    for row in board["open_by_severity"].as_array().unwrap() {
        let of = |status: &str| {
            let fits = |v: &&Value| v["severity"] == row["severity"] && v["status"] == status;
            all.iter().filter(fits).count()
        };
        assert_eq!(row["open"], of("OPEN"), "{row}");
        assert_eq!(row["acknowledged"], of("ACKNOWLEDGED"), "{row}");
        let overdue =
            all.iter().filter(|v| v["severity"] == row["severity"] && v["overdue"] == true);
        assert_eq!(row["overdue"], overdue.count(), "{row}");
    }
    assert_eq!(board["overdue"], all.iter().filter(|v| v["overdue"] == true).count());
    assert!(board["overdue"].as_u64().unwrap() > 0);
    let by_policy = count_by(&all, |v| text(&v["policy"]));
    for row in board["by_policy"].as_array().unwrap() {
        assert_eq!(row["violations"], by_policy[row["policy"].as_str().unwrap()]);
        let unresolved =
            all.iter().filter(|v| v["policy"] == row["policy"] && v["status"] != "RESOLVED");
        assert_eq!(row["unresolved"], unresolved.count());
    }
    assert_eq!(board["by_policy"].as_array().unwrap().len(), 2);
    let by_actor = count_by(&all, |v| text(&v["actor_id"]));
    let ranked = board["by_actor"].as_array().unwrap();
    assert_eq!(ranked.len(), 4);
    assert_eq!(ranked[0]["actor_id"], "ada");
    for row in ranked {
        assert_eq!(row["violations"], by_actor[&text(&row["actor_id"])], "{row}");
    }
    let mean = |end: &str| {
        let instant =
            |v: &Value| chrono::DateTime::parse_from_rfc3339(v.as_str().unwrap()).unwrap();
        let times: Vec<f64> = all
            .iter()
            .filter(|v| v[end].is_string())
            .map(|v| (instant(&v[end]) - instant(&v["detected_at"])).as_seconds_f64())
            .collect();
        times.iter().sum::<f64>() / times.len() as f64
    };
    let close = |a: &Value, b: f64| (a.as_f64().unwrap() - b).abs() < 0.01;
    assert!(close(&board["mean_times"]["acknowledge_seconds"], mean("acknowledged_at")), "{board}");
    assert!(close(&board["mean_times"]["resolve_seconds"], mean("resolved_at")), "{board}");
    assert_eq!(
        board["personal_data"],
        json!([{ "detector": "email", "sessions": 6, "matches": 6 }])
    );
    let sessions = app.get("/v1/sessions?limit=500").await.expect(200).body;
    let classes = count_by(sessions["items"].as_array().unwrap(), |s| text(&s["evidence_class"]));
    for row in board["sessions_by_class"].as_array().unwrap() {
        assert_eq!(row["sessions"], classes[row["evidence_class"].as_str().unwrap()]);
    }
}

#[tokio::test]
async fn aggregations_agree_with_a_count_of_everything_bucket_by_bucket() {
    let app = a_busy_week().await;
    let all = app.violations("").await;
    let day = |v: &Value| text(&v["detected_at"])[..10].to_owned();
    for (path, member) in
        [("violations-by-policy", "policy"), ("violations-by-severity", "severity")]
    {
        let path = format!("/v1/aggregations/{path}?window=7d&bucket=day");
        let answer = app.get(&path).await.expect(200).body;
        let counts = count_by(&all, |v| format!("{} {}", text(&v[member]), day(v)));
        let mut seen = 0;
        for group in answer["items"].as_array().unwrap() {
            for bucket in group["buckets"].as_array().unwrap() {
                let key = format!("{} {}", text(&group["name"]), &text(&bucket["start"])[..10]);
                assert_eq!(bucket["violations"], counts[&key], "{key}");
                seen += 1;
            }
        }
        assert_eq!(seen, counts.len(), "{path}");
        assert_eq!(answer["total"], all.len());
    }
    let actors = app.get("/v1/aggregations/violations-by-actor?window=7d").await.expect(200).body;
    let counts = count_by(&all, |v| text(&v["actor_id"]));
    assert_eq!(actors["items"].as_array().unwrap().len(), counts.len());
    for actor in actors["items"].as_array().unwrap() {
        assert_eq!(actor["violations"], counts[&text(&actor["actor_id"])]);
    }
    let sla = app.get("/v1/aggregations/sla?window=7d&bucket=day").await.expect(200).body;
    let states = count_by(&all, |v| text(&v["status"]));
    assert_eq!(sla["total"]["detected"], all.len());
    assert_eq!(sla["total"]["open"], states["OPEN"]);
    assert_eq!(sla["total"]["acknowledged"], states["ACKNOWLEDGED"]);
    assert_eq!(sla["total"]["resolved"], states["RESOLVED"]);
    let sum: i64 =
        sla["items"].as_array().unwrap().iter().map(|b| b["detected"].as_i64().unwrap()).sum();
    assert_eq!(sum, all.len() as i64);
    let narrow = app.get("/v1/aggregations/violations-by-policy?window=1h").await.expect(200).body;
    assert_eq!(narrow["total"], 0, "hours ago");
    for query in ["window=1w", "bucket=minute", "agent_id=x"] {
        let path = format!("/v1/aggregations/sla?{query}");
        assert_eq!(app.get(&path).await.expect(400).code(), "QUERY_INVALID", "{query}");
    }
}
