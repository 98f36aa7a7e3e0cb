//! Sessions, from the first request to the verdict.

use tests::{TestApp, events};

#[tokio::test]
async fn a_session_is_started_fed_sealed_and_verified() {
    let app = TestApp::start().await;
    let session = app.start_session().await;

    let appended = app.append(session, &events::whole_session(session)).await.expect(201);
    assert_eq!(appended.body["accepted"], 4);
    assert_eq!(appended.body["next_sequence"], 4);

    let sealed = app.seal(session).await.expect(201);
    assert_eq!(sealed.body["evidence_class"], "AUTHORITATIVE_EVIDENCE");

    let report = app.verify(session).await;
    assert_eq!(report["status"], "PASS", "{report}");
    assert_eq!(report["axes"]["signer"]["result"], "pass");
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let mut app = TestApp::start().await;
    let session = app.sealed_session().await;
    let before = app.export_lines(session).await;

    app.restart();

    assert_eq!(app.export_lines(session).await, before);
    assert_eq!(app.verify(session).await["status"], "PASS");
}
