//! Each kind of damage that somebody with the owner's rights can do to a log, and how the check
//! names it.

use serde_json::Value;
use sqlx::Executor;
use tests::{TestApp, TestDatabase, events};
use uuid::Uuid;

use crate::processes::{Ended, exhibit_in, folder, run};

/// Takes the guards of the append-only tables away.
const UNGUARDED: &str = "
alter table events disable trigger user;
alter table evidence_events disable trigger user;
alter table session_seals disable trigger user;";

/// A log that is whole, whose server has stopped.
///
/// | position | event                                         |
/// |----------|-----------------------------------------------|
/// | 1, 2     | the tenant, its key                           |
/// | 3 to 6   | session A: started, records 0, 1 to 3, 4 to 6 |
/// | 7 to 9   | session B: started, records 0 to 3, sealed    |
/// | 10       | session C: started                            |
struct Whole {
    database: TestDatabase,
    tenant: Uuid,
    sessions: [Uuid; 3],
}

impl Whole {
    async fn log() -> Self {
        let mut app = TestApp::start().await;
        let _ = app.make_tenant("other");
        let a = app.start_session().await;
        let _ = app.append(a, &[events::session_start(a)]).await.expect(201);
        for first in [1, 4] {
            let _ = app.append(a, &events::tool_calls(a, first, 3)).await.expect(201);
        }
        let sessions = [a, app.sealed_session().await, app.start_session().await];
        let database = app.database.clone().unwrap();
        app.stop();
        let owner = database.as_owner().await;
        let tenant = sqlx::query_scalar("select tenant_id from tenants where name = 'demo'")
            .fetch_one(&owner)
            .await
            .unwrap();
        owner.close().await;
        Self { database, tenant, sessions }
    }

    /// Checks a copy in which something was done, with `demo`, `A`, `B` and `C` for their ids.
    async fn check_after(&self, damage: &str, args: &[&str]) -> Ended {
        let copy = self.database.copy().await;
        let mut damage = damage.replace("demo", &format!("'{}'", self.tenant));
        for (name, session) in ["A", "B", "C"].into_iter().zip(self.sessions) {
            damage = damage.replace(&format!(" = {name}"), &format!(" = '{session}'"));
        }
        let owner = copy.as_owner().await;
        owner.execute(format!("{UNGUARDED}{damage}").as_str()).await.expect(&damage);
        owner.close().await;
        let data = folder();
        let mut command = exhibit_in(data.path());
        command.env("EXHIBIT_DATABASE_URL", &copy.url).args(["log", "check"]).args(args);
        run(&mut command)
    }

    /// The faults that are found in the tenant's log, as `kind position aggregate: expected | found`.
    async fn faults_after(&self, damage: &str) -> Vec<String> {
        let ended = self.check_after(damage, &["--format", "json"]).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{damage}: {ended:?}");
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(document["status"], "FAULT");
        let tenants = document["tenants"].as_array().unwrap();
        assert_eq!(tenants.len(), 2, "{document}");
        let is_damaged = |report: &&Value| report["tenant_id"] == self.tenant.to_string();
        let other = tenants.iter().find(|report| !is_damaged(report)).unwrap();
        assert_eq!(other["faults"], serde_json::json!([]), "the other tenant is not to blame");
        let damaged = tenants.iter().find(is_damaged).unwrap();
        damaged["faults"].as_array().unwrap().iter().map(|fault| self.shown(fault)).collect()
    }

    fn shown(&self, fault: &Value) -> String {
        let text = |member: &str| fault[member].as_str().unwrap_or("-").to_owned();
        let mut aggregate = text("aggregate");
        for (name, session) in ["A", "B", "C"].into_iter().zip(self.sessions) {
            aggregate = aggregate.replace(&format!("session/{session}"), name);
        }
        let is_hash = |text: &str| text.len() == 64;
        let [expected, found] = ["expected", "found"]
            .map(|member| if is_hash(&text(member)) { "a hash".to_owned() } else { text(member) });
        let (kind, position) = (text("kind"), &fault["position"]);
        format!("{kind} {position} {aggregate}: {expected} | {found}")
    }
}

#[tokio::test]
async fn an_event_that_is_gone_is_missed_wherever_it_stood() {
    let whole = Whole::log().await;
    let gone = |position: u64| {
        format!("delete from events where tenant_id = demo and position = {position}")
    };
    assert_eq!(
        whole.faults_after(&gone(5)).await,
        [
            "position_gap 6 A: 5 | 6",
            "sequence_gap 6 A: 3 | 4",
            "append_gap 6 A: from record 1 | from record 4",
        ],
        "in the middle"
    );
    assert_eq!(
        whole.faults_after(&gone(6)).await,
        [
            "position_gap 7 B: 6 | 7",
            "session_head_hash 5 A: a hash | a hash",
            "session_next_sequence 5 A: 4 | 7",
            "session_version 5 A: 3 | 4",
            "records_unlogged null A: 4 | 7",
        ],
        "the last of a session"
    );
    assert_eq!(
        whole.faults_after(&gone(10)).await,
        [
            "head_position 9 -: 9 | 10",
            "session_unlogged null C: no head without events | a head at version 1",
        ],
        "the last of the log"
    );
    let first = whole.faults_after(&gone(1)).await;
    assert_eq!(first[0], format!("position_gap 2 tenant/{}: 1 | 2", whole.tenant));
    assert_eq!(first[1], format!("sequence_gap 2 tenant/{}: 1 | 2", whole.tenant));
    assert_eq!(first.len(), 2, "{first:?}");
}

#[tokio::test]
async fn a_tenants_head_that_was_changed_is_named() {
    let whole = Whole::log().await;
    for (change, fault) in [
        ("position = position + 1", "head_position 10 -: 10 | 11"),
        ("position = 0", "head_position 10 -: 10 | 0"),
        ("epoch = 'k7q2m4x1'", "epoch_malformed 10 -: 8 characters of a-z2-7 | k7q2m4x1"),
    ] {
        let damage = format!(
            "alter table tenant_heads drop constraint tenant_heads_epoch_check;
             update tenant_heads set {change} where tenant_id = demo"
        );
        assert_eq!(whole.faults_after(&damage).await, [fault]);
    }
    let gone = "delete from tenant_heads where tenant_id = demo;
                delete from tenants where tenant_id = demo";
    assert_eq!(whole.faults_after(gone).await, ["head_missing 10 -: a head at 10 | none"]);
}

#[tokio::test]
async fn positions_that_were_swapped_or_given_twice_are_named() {
    let whole = Whole::log().await;
    let moved = |from: u64, to: u64| {
        format!("update events set position = {to} where tenant_id = demo and position = {from};")
    };
    assert_eq!(
        whole.faults_after(&[moved(5, 99), moved(6, 5), moved(99, 6)].concat()).await,
        ["sequence_order 5 A: sequence 4 after position 6 | 5"],
        "of one session"
    );
    assert_eq!(
        whole.faults_after(&[moved(9, 99), moved(10, 9), moved(99, 10)].concat()).await,
        ["seal_position 10 B: 10 | 9"],
        "a seal's, with another session's"
    );
    let twice = "alter table events drop constraint events_tenant_id_position_key;";
    assert_eq!(
        whole.faults_after(&format!("{twice}{}", moved(6, 5))).await,
        [
            "position_repeated 5 A: 6 | 5",
            "position_gap 7 B: 6 | 7",
            "sequence_order 5 A: sequence 4 after position 5 | 5",
        ]
    );
}

#[tokio::test]
async fn records_that_are_gone_or_that_no_event_speaks_of_are_named() {
    let whole = Whole::log().await;
    for (damage, faults) in [
        (
            "delete from evidence_events where session_id = A and sequence_number = 2",
            ["records_missing 5 A: records 1 to 3 | 2 of 3"].as_slice(),
        ),
        (
            "delete from evidence_events where session_id = B and sequence_number = 4",
            &["records_missing 9 B: records 4 to 4 | 0 of 1"],
        ),
        (
            "delete from evidence_events where session_id = B",
            &[
                "records_missing 8 B: records 0 to 3 | 0 of 4",
                "records_missing 9 B: records 4 to 4 | 0 of 1",
            ],
        ),
        (
            "update evidence_events set sequence_number = 7
             where session_id = A and sequence_number = 6",
            &["records_unlogged null A: 6 | 7", "records_missing 6 A: records 4 to 6 | 2 of 3"],
        ),
    ] {
        assert_eq!(whole.faults_after(damage).await, faults);
    }
}

#[tokio::test]
async fn a_sessions_head_that_was_changed_is_named() {
    let whole = Whole::log().await;
    for (change, fault) in [
        ("version = 3 where session_id = A", "session_version 6 A: 4 | 3"),
        ("next_sequence = 8 where session_id = A", "session_next_sequence 6 A: 7 | 8"),
        ("head_hash = sha256('') where session_id = A", "session_head_hash 6 A: a hash | a hash"),
        ("head_hash = null where session_id = A", "session_head_hash 6 A: a hash | none"),
        ("head_hash = sha256('') where session_id = C", "session_head_hash 10 C: none | a hash"),
        ("phase = 'active' where session_id = B", "session_phase 9 B: sealed | active"),
        ("phase = 'ended' where session_id = A", "session_phase 6 A: active | ended"),
    ] {
        let damage = format!("update session_heads set {change}");
        assert_eq!(whole.faults_after(&damage).await, [fault]);
    }
    assert_eq!(
        whole.faults_after("delete from session_heads where session_id = A").await,
        ["session_head_missing 6 A: a head at version 4 | none"]
    );
}

#[tokio::test]
async fn an_event_whose_payload_was_changed_is_named_and_does_not_end_the_check() {
    let whole = Whole::log().await;
    for (payload, faults) in [
        ("jsonb_set(payload::jsonb, '{count}', '4')", ["append_count 5 A: 3 | 4"].as_slice()),
        (
            "jsonb_set(payload::jsonb, '{first_sequence}', '2')",
            &["append_count 5 A: 2 | 3", "append_gap 5 A: from record 1 | from record 2"],
        ),
        (
            "jsonb_set(payload::jsonb, '{first_sequence}', '\"1e3\"')",
            &["event_unreadable 5 A: numbers and hash of its records | session.events_appended"],
        ),
        (
            "'[]'",
            &["event_unreadable 5 A: numbers and hash of its records | session.events_appended"],
        ),
        (
            r#"'{"first_sequence":"\u0000"}'"#,
            &["check_failed null -: appends to sessions can be checked | error returned from \
               database: unsupported Unicode escape sequence"],
        ),
    ] {
        let damage = format!(
            "update events set payload = {payload}::json where tenant_id = demo and position = 5"
        );
        assert_eq!(whole.faults_after(&damage).await, faults);
    }
}

#[tokio::test]
async fn a_seal_without_its_event_or_an_event_without_its_seal_is_named() {
    let whole = Whole::log().await;
    assert_eq!(
        whole.faults_after("delete from session_seals").await,
        ["seal_missing 9 B: a seal at position 9 | none"]
    );
    let faults = whole.faults_after("delete from events where event_type = 'session.sealed'").await;
    for fault in [
        "seal_unlogged null B: no seal without its event | a seal at position 9",
        "session_phase 8 B: ended | sealed",
        "records_unlogged null B: 4 | 5",
    ] {
        assert!(faults.iter().any(|named| named == fault), "{faults:?}");
    }
}

#[tokio::test]
async fn a_hundred_faults_are_listed_and_the_others_counted() {
    let whole = Whole::log().await;
    let heads = "create temp table made as select h.* from session_heads h, generate_series(1, 150)
                 where session_id = C;
                 update made set session_id = gen_random_uuid();
                 insert into session_heads select * from made";
    assert_eq!(whole.faults_after(heads).await.len(), 100);
    let tenant = whole.tenant.to_string();
    let ended = whole.check_after(heads, &["--tenant", &tenant]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 102, "{ended:?}");
    assert_eq!(lines[0], format!("FAULT  {tenant}  10 events, 3 sessions, 12 records"));
    assert!(lines[1].starts_with("       session_unlogged in session/"), "{}", lines[1]);
    let told = ": expected no head without events, found a head at version 1";
    assert!(lines[100].ends_with(told), "{}", lines[100]);
    assert_eq!(lines[101], "       and 50 more");
}
