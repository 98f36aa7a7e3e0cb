//! What was written once is read for ever: one file for each version of each event.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use chrono::DateTime;
use cqrs_es::{Aggregate, DomainEvent};
use domain::evidence::dsse::Envelope;
use domain::evidence::intake::{BodyForm, Intake};
use domain::evidence::record::ChainAuthority;
use domain::export::{
    Audience, Export, ExportAction, ExportCommand, ExportEvent, FileFact, Filters, Kind, Made,
    Order, Verdict,
};
use domain::hash::Hash;
use domain::ids::{SessionId, TenantId};
use domain::policy::document::Severity;
use domain::policy::lifecycle::{Draft, PolicyAction, PolicyCommand, PolicyEvent, PolicyVersions};
use domain::scope::Scope;
use domain::session::{
    Append, IngestMode, SealFacts, Session, SessionCommand, SessionEvent, Start,
};
use domain::tenant::{KeyGrant, Tenant, TenantCommand, TenantEvent};
use domain::violation::{Detected, Request, Violation, ViolationCommand, ViolationEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use uuid::Uuid;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn file_of<E: DomainEvent>(event: &E) -> String {
    format!("{}.{}.json", event.event_type(), event.event_version())
}

fn golden(file: &str) -> Value {
    let path = folder().join(file);
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; every event version has a file", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Reads a file as an event of its name and version, and writes the same value again.
fn round_trip<E: DomainEvent + DeserializeOwned + Serialize>(file: &str) -> E {
    let written = golden(file);
    let event: E = serde_json::from_value(written.clone()).expect(file);
    assert_eq!(serde_json::to_value(&event).unwrap(), written, "{file}");
    assert_eq!(file_of(&event), file);
    event
}

/// One event of each kind, made by the commands that make them.
fn session_events() -> Vec<SessionEvent> {
    let at = DateTime::UNIX_EPOCH;
    let session_id = SessionId(Uuid::from_u128(1));
    let tenant_id = TenantId(Uuid::from_u128(2));
    let start = SessionCommand::Start(Start {
        tenant_id,
        session_id,
        agent_id: "agent".to_owned(),
        environment: None,
        framework: None,
        chain_authority: ChainAuthority::Server,
        mode: IngestMode::Strict,
        tags: vec![],
        metadata: Map::new(),
        ingestion_service_id: "exhibit-test".to_owned(),
        at,
    });
    let intake = Intake {
        session_id,
        authority: ChainAuthority::Server,
        batch_events_max: 1,
        event_bytes_max: 4096,
    };
    let append = |number: u64, event_type: &str, payload: Value| {
        let event = json!({
            "event_id": Uuid::from_u128(3 + u128::from(number)), "session_id": session_id,
            "sequence_number": number, "timestamp_wall": "2026-03-01T09:00:00Z",
            "event_type": event_type, "payload": payload,
        });
        SessionCommand::Append(Append {
            events: intake.read(event.to_string().as_bytes(), BodyForm::Json).unwrap().into(),
            stored: vec![],
            id_seed: Uuid::nil(),
            idle_max: None,
            session_limits: std::sync::Arc::new([]),
            at,
        })
    };
    // Version 2 of an append, and version 1.
    let call = append(0, "TOOL_CALL", json!({ "tool_name": "look_up", "args": {} }));
    let end = append(1, "SESSION_END", json!({ "status": "success", "duration_ms": 1 }));
    let mut session = Session::default();
    let mut happened = Vec::new();
    for command in [start, call, end] {
        for event in session.decide(command).unwrap() {
            session.apply(event.clone());
            happened.push(event);
        }
    }
    let facts = SealFacts {
        tenant_id,
        ingestion_service_id: "exhibit-test".to_owned(),
        session_digest: Hash([0; 32]),
        event_count: 2,
        final_event_hash: session.chain().unwrap().head_hash.unwrap(),
        policy_set_digest: "sha256:none".to_owned(),
        policies_position: 0,
        event_id: Uuid::from_u128(9),
        incomplete: false,
        at,
    };
    let prepared = Box::new(session.prepare_seal(facts).unwrap());
    let envelope = Envelope::new("test", &prepared.statement, "key".to_owned(), &[0; 64]);
    let seal = SessionCommand::Seal { prepared, envelope, reason: None };
    happened.extend(session.decide(seal).unwrap());
    happened
}

fn tenant_events() -> Vec<TenantEvent> {
    let at = DateTime::UNIX_EPOCH;
    let grant = KeyGrant {
        key_id: "abcdefgh".to_owned(),
        secret_hash: Hash([1; 32]),
        label: "ci".to_owned(),
        scopes: vec![Scope::IngestWrite],
        expires_at: None,
        ip_allow: vec![],
    };
    let commands = [
        TenantCommand::Create { name: "acme".to_owned(), at },
        TenantCommand::Suspend { at },
        TenantCommand::Resume { at },
        TenantCommand::AddKey { grant, at },
        TenantCommand::RevokeKey { key_id: "abcdefgh".to_owned(), at },
    ];
    let mut tenant = Tenant::default();
    let mut happened = Vec::new();
    for command in commands {
        for event in tenant.decide(command).unwrap() {
            tenant.apply(event.clone());
            happened.push(event);
        }
    }
    happened
}

fn policy_events() -> Vec<PolicyEvent> {
    let draft = |content: &str| Draft {
        name: "tool-access".to_owned(),
        version: "1.2.0".to_owned(),
        content_hash: format!("sha256:{content}"),
        has_controls: true,
        document: json!({ "name": "tool-access", "version": "1.2.0" }),
    };
    let version = || "1.2.0".to_owned();
    let reason = || "as agreed".to_owned();
    let activate =
        PolicyAction::Activate { version: version(), supersede: false, allow_self_approval: false };
    let steps = [
        ("key:writer00", PolicyAction::Draft(draft("a"))),
        ("key:writer00", PolicyAction::Revise(draft("b"))),
        ("key:writer00", PolicyAction::Submit { version: version(), backtest_id: None }),
        ("key:approver", PolicyAction::Reject { version: version(), reason: reason() }),
        (
            "key:writer00",
            PolicyAction::Submit { version: version(), backtest_id: Some(Uuid::from_u128(5)) },
        ),
        ("key:approver", activate),
        ("key:approver", PolicyAction::Retire { version: version(), reason: reason() }),
    ];
    let mut policy = PolicyVersions::default();
    let mut happened = Vec::new();
    for (by, what) in steps {
        let by = by.to_owned();
        let command = PolicyCommand { what, by, expected: None, at: DateTime::UNIX_EPOCH };
        for event in policy.decide("tool-access", command).unwrap() {
            policy.apply(event.clone());
            happened.push(event);
        }
    }
    happened
}

/// A new kind does not compile until it has a number here, and then wants an example and a file.
fn kind_of_session_event(event: &SessionEvent) -> usize {
    match event {
        SessionEvent::Started(_) => 0,
        SessionEvent::Appended(_) => 1,
        SessionEvent::Sealed(_) => 2,
    }
}

fn kind_of_tenant_event(event: &TenantEvent) -> usize {
    match event {
        TenantEvent::Created { .. } => 0,
        TenantEvent::Suspended { .. } => 1,
        TenantEvent::Resumed { .. } => 2,
        TenantEvent::KeyAdded { .. } => 3,
        TenantEvent::KeyRevoked { .. } => 4,
    }
}

fn kind_of_policy_event(event: &PolicyEvent) -> usize {
    match event {
        PolicyEvent::Drafted(_) => 0,
        PolicyEvent::Revised(_) => 1,
        PolicyEvent::Submitted { .. } => 2,
        PolicyEvent::Rejected { .. } => 3,
        PolicyEvent::Activated { .. } => 4,
        PolicyEvent::Retired { .. } => 5,
    }
}

fn assert_same_members(file: &str, written_now: &Value) {
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&golden(file)), keys(written_now), "{file} is of another version");
}

#[test]
fn every_event_of_a_session_is_read_and_written_as_its_file_says() {
    let events = session_events();
    let kinds: BTreeSet<_> = events.iter().map(kind_of_session_event).collect();
    assert_eq!(kinds, (0..3).collect());
    for event in events {
        let file = file_of(&event);
        assert_eq!(
            kind_of_session_event(&round_trip(&file)),
            kind_of_session_event(&event),
            "{file}"
        );
        assert_same_members(&file, &serde_json::to_value(&event).unwrap());
    }
}

#[test]
fn every_event_of_a_tenant_is_read_and_written_as_its_file_says() {
    let events = tenant_events();
    let kinds: BTreeSet<_> = events.iter().map(kind_of_tenant_event).collect();
    assert_eq!(kinds, (0..5).collect());
    for event in events {
        let file = file_of(&event);
        assert_eq!(
            kind_of_tenant_event(&round_trip(&file)),
            kind_of_tenant_event(&event),
            "{file}"
        );
        assert_same_members(&file, &serde_json::to_value(&event).unwrap());
    }
}

#[test]
fn every_event_of_a_policy_is_read_and_written_as_its_file_says() {
    let events = policy_events();
    let kinds: BTreeSet<_> = events.iter().map(kind_of_policy_event).collect();
    assert_eq!(kinds, (0..6).collect());
    for event in events {
        let file = file_of(&event);
        assert_eq!(
            kind_of_policy_event(&round_trip(&file)),
            kind_of_policy_event(&event),
            "{file}"
        );
        assert_same_members(&file, &serde_json::to_value(&event).unwrap());
    }
}

/// A violation through its whole life.
fn violation_events() -> Vec<ViolationEvent> {
    let at = DateTime::UNIX_EPOCH;
    let detected = ViolationEvent::Detected(Box::new(Detected {
        violation_id: Uuid::from_u128(1),
        dedup_key: Hash([7; 32]),
        session_id: SessionId(Uuid::from_u128(2)),
        event_id: Uuid::from_u128(3),
        sequence_number: 4,
        event_hash: Hash([8; 32]),
        actor_id: Some("ada".to_owned()),
        agent_id: "agent".to_owned(),
        policy: "tool-access".to_owned(),
        policy_version: "1.0.0".to_owned(),
        policy_hash: "sha256:00".to_owned(),
        control: "allowed-tools".to_owned(),
        rule: Some("on-the-list".to_owned()),
        severity: Severity::Critical,
        reason: "not in the list".to_owned(),
        explanation: json!({ "rule": "on-the-list", "result": false }),
        risk_score: None,
        detected_at: at,
        due_at: Some(at),
        auto_escalate_to: Some("owner".to_owned()),
    }));
    let requests = [
        Request::Acknowledge { comment: Some("on it".to_owned()) },
        Request::Comment { comment: "seen".to_owned() },
        Request::Escalate { to: "lead".to_owned(), reason: "big".to_owned() },
        Request::Resolve { resolution: "fixed".to_owned() },
        Request::Reopen { reason: "not fixed".to_owned() },
    ];
    let mut violation = Violation::default();
    violation.apply(detected.clone());
    let mut events = vec![detected];
    for what in requests {
        let command = ViolationCommand { what, by: "key:abcdefgh".to_owned(), expected: None, at };
        let event = violation.decide(command).unwrap().unwrap();
        violation.apply(event.clone());
        events.push(event);
    }
    events
}

#[test]
fn every_event_of_a_violation_is_read_and_written_as_its_file_says() {
    let events = violation_events();
    let kinds: BTreeSet<_> = events.iter().map(DomainEvent::event_type).collect();
    assert_eq!(kinds.len(), 6);
    for event in events {
        let file = file_of(&event);
        assert_eq!(round_trip::<ViolationEvent>(&file).event_type(), event.event_type());
        assert_same_members(&file, &serde_json::to_value(&event).unwrap());
    }
}

/// A pack from its request to its end, one that failed, and a verification.
fn export_events() -> Vec<ExportEvent> {
    let session_id = Some(SessionId(Uuid::from_u128(2)));
    let filters = Filters { since: Some(DateTime::UNIX_EPOCH), ..Filters::default() };
    let order = Order {
        kind: Kind::Pack,
        formats: vec!["json".to_owned()],
        session_id,
        filters,
        audience: Some(Audience::Regulator),
        purpose: "audit".to_owned(),
    };
    let file = FileFact { name: "session.json".to_owned(), bytes: 3, sha256: Hash([7; 32]) };
    let made = Made {
        counts: BTreeMap::from([("events".to_owned(), 5)]),
        files: vec![file],
        manifest_hash: Some(Hash([8; 32])),
    };
    let verdict = Verdict {
        session_id,
        sha256: None,
        format: "jsonl".to_owned(),
        status: "PASS".to_owned(),
        evidence_class: Some("AUTHORITATIVE_EVIDENCE".to_owned()),
        exit_code: 0,
    };
    let request = || ExportAction::Request(order.clone());
    let download = ExportAction::Download { file: "session.json".to_owned(), purpose: None };
    let lives = [
        vec![request(), ExportAction::Complete(made), download, ExportAction::Expire],
        vec![request(), ExportAction::Fail { reason: "no room".to_owned() }],
        vec![ExportAction::Verify(verdict)],
    ];
    let mut happened = Vec::new();
    for life in lives {
        let mut export = Export::default();
        for what in life {
            let by = "key:abcdefgh".to_owned();
            let command = ExportCommand { what, by, at: DateTime::UNIX_EPOCH };
            for event in export.decide(command).unwrap() {
                export.apply(event.clone());
                happened.push(event);
            }
        }
    }
    happened
}

#[test]
fn every_event_of_an_export_is_read_and_written_as_its_file_says() {
    let events = export_events();
    let kinds: BTreeSet<_> = events.iter().map(DomainEvent::event_type).collect();
    assert_eq!(kinds.len(), 6);
    for event in events {
        let file = file_of(&event);
        assert_eq!(round_trip::<ExportEvent>(&file).event_type(), event.event_type());
        assert_same_members(&file, &serde_json::to_value(&event).unwrap());
    }
}

#[test]
fn every_file_of_these_aggregates_is_still_read() {
    let mut read = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        match file.split('.').next() {
            Some("session") => drop(round_trip::<SessionEvent>(&file)),
            Some("tenant") => drop(round_trip::<TenantEvent>(&file)),
            Some("policy") => drop(round_trip::<PolicyEvent>(&file)),
            Some("violation") => drop(round_trip::<ViolationEvent>(&file)),
            Some("export") => drop(round_trip::<ExportEvent>(&file)),
            other => panic!("{file}: no aggregate is called {other:?}"),
        }
        read += 1;
    }
    assert!(read >= 27, "{read} files");
}

#[test]
fn a_member_that_a_session_event_does_not_know_is_not_passed_over() {
    for event in session_events() {
        let mut written = golden(&file_of(&event));
        written["colour"] = json!("red");
        assert!(serde_json::from_value::<SessionEvent>(written).is_err(), "{}", file_of(&event));
    }
}
