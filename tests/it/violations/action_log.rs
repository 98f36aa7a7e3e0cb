//! The action log: every command leaves a line, and no line can be changed or taken away.

use serde_json::json;
use sqlx::Executor;

use super::commands::with_violation;

#[tokio::test]
async fn not_even_the_owner_changes_a_line() {
    let (app, violation) = with_violation().await;
    let _ = app.act(&violation, "comment", &json!({ "comment": "first" })).await.expect(200);
    let database = app.database.as_ref().unwrap();
    for pool in [database.as_owner().await, database.as_role("exhibit_server").await] {
        for table in ["violation_actions", "violation_keys"] {
            for statement in [
                format!("update {table} set tenant_id = tenant_id"),
                format!("delete from {table}"),
                format!("delete from {table} where false"),
                format!("truncate {table}"),
            ] {
                let error = pool.execute(statement.as_str()).await.unwrap_err();
                let code = error.as_database_error().unwrap().code().unwrap().into_owned();
                assert_eq!(code, "42501", "{statement}: {error}");
            }
        }
    }
    assert_eq!(app.violation(&violation).await["actions"][1]["details"]["comment"], "first");
}

#[tokio::test]
async fn the_log_is_read_in_pages_in_its_order() {
    let (app, violation) = with_violation().await;
    for number in 2..=12 {
        let body = json!({ "comment": format!("line {number}") });
        let _ = app.act(&violation, "comment", &body).await.expect(200);
    }
    let id = violation["violation_id"].as_str().unwrap();
    let (mut numbers, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/violations/{id}/actions?limit=5{cursor}");
        let page = app.get(&path).await.expect(200).body;
        let items = page["items"].as_array().unwrap();
        numbers.extend(items.iter().map(|line| line["number"].as_u64().unwrap()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
}

/// Whoever gets past the guards is found.
#[tokio::test]
async fn a_line_or_a_key_that_is_gone_all_the_same_is_named_by_the_check_of_the_log() {
    let (app, violation) = with_violation().await;
    let _ = app.act(&violation, "comment", &json!({ "comment": "first" })).await.expect(200);
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let check = || {
        let checked = app.cli(&["log", "check", "--format", "json"]);
        String::from_utf8(checked.stdout).unwrap()
    };
    assert!(!check().contains("violation_"), "it is whole");
    for (damage, kind) in [
        ("delete from violation_actions where number = 2", "violation_actions"),
        ("delete from violation_keys", "violation_key_missing"),
        (
            "insert into violation_keys select tenant_id, sha256('x'), gen_random_uuid() from tenants",
            "violation_unlogged",
        ),
    ] {
        let table = if damage.contains("actions") { "violation_actions" } else { "violation_keys" };
        let statement = format!(
            "alter table {table} disable trigger user; {damage};
             alter table {table} enable trigger user"
        );
        owner.execute(statement.as_str()).await.unwrap();
        let told = check();
        assert!(told.contains(&format!("\"{kind}\"")), "{kind}: {told}");
    }
}
