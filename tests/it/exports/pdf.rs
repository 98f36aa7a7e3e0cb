//! A session as PDF: what is in it, and that pages and attached files are held against each other.

use lopdf::{Document, Object, ObjectId};
use serde_json::{Value, json};
use tests::{TestApp, events, tool_policy};
use uuid::Uuid;

use super::paper::{Paper, text_of, verify};

#[tokio::test]
async fn a_pdf_of_a_sealed_session_verifies_and_can_be_set_anew() {
    let app = TestApp::start().await;
    let paper = Paper::of(&app, app.sealed_session().await).await;

    for rerender in [&[][..], &["--rerender"]] {
        let (exit, report) = verify(&app, &paper, &[&["--jwks", "jwks.json"], rerender].concat());
        assert_eq!((exit, &report["status"]), (0, &json!("PASS")), "{report}");
        assert_eq!(report["format"], "pdf");
        assert_eq!(report["axes"]["signer"]["result"], "pass");
        assert_eq!(report["evidence_class"], "AUTHORITATIVE_EVIDENCE");
    }
    // A key that came in the PDF proves nothing.
    let (exit, report) = verify(&app, &paper, &[]);
    assert_eq!((exit, &report["axes"]["signer"]["result"]), (0, &json!("not_established")));
}

#[tokio::test]
async fn a_pdf_carries_the_json_the_seal_and_the_keys() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    let paper = Paper::of(&app, session).await;

    let listed = paper.tool("pdfdetach", &["-list", "session.pdf"]);
    let name = format!("session_{session}.json");
    for file in [&name, "seal.dsse.json", "jwks.json"] {
        assert!(listed.contains(file), "{listed}");
    }
    paper.tool("pdfdetach", &["-saveall", "session.pdf"]);
    let export: Value = paper.json(&name);
    assert_eq!(export["schema"], "exhibit-export/1");
    assert_eq!(export["purpose"], "internal audit");
    let custody = export["chain_of_custody"].as_array().unwrap().last().unwrap();
    assert_eq!(custody["details"]["formats"], serde_json::json!(["pdf"]));
    assert_eq!(paper.json("seal.dsse.json"), export["seal"]["envelope"]);
    let keys: Value = app.get("/.well-known/jwks.json").await.expect(200).body;
    assert_eq!(paper.json("jwks.json"), keys);
    let sum = paper.tool("sha256sum", &[&name]);
    assert!(text_of(&paper).contains(&sum[..64]), "the pages name the hash of the JSON");
}

#[tokio::test]
async fn a_pdf_says_that_it_is_an_archive_and_what_made_it() {
    let app = TestApp::start().await;
    let paper = Paper::of(&app, app.sealed_session().await).await;
    let metadata = paper.tool("pdfinfo", &["-meta", "session.pdf"]);
    for part in ["<pdfaid:part>3</pdfaid:part>", "<pdfaid:conformance>B</pdfaid:conformance>"] {
        assert!(metadata.contains(part), "{metadata}");
    }
    let facts = paper.tool("pdfinfo", &["session.pdf"]);
    assert!(facts.contains("json-sha256=") && facts.contains("renderer=exhibit-pdf/"), "{facts}");
    assert!(facts.lines().any(|line| line.starts_with("Tagged:") && line.ends_with("yes")));
}

#[tokio::test]
async fn the_cover_says_what_the_evidence_is_worth() {
    let app = TestApp::start().await;
    let sealed = Paper::of(&app, app.sealed_session().await).await;
    assert!(text_of(&sealed).contains("AUTHORITATIVE_EVIDENCE – VERIFIED"));

    let session = app.start_session().await;
    let _ = app.append(session, &events::whole_session(session)).await.expect(201);
    let open = Paper::of(&app, session).await;
    let text = text_of(&open);
    assert!(text.contains("PARTIAL_AUTHORITATIVE_EVIDENCE – DEGRADED"), "{text}");
    assert!(text.contains("UNSEALED_SESSION: the session is not sealed"), "{text}");
    assert!(!text.contains("– VERIFIED"), "{text}");
    assert_eq!(verify(&app, &open, &["--jwks", "jwks.json", "--rerender"]).0, 1);

    let empty = Paper::of(&app, app.start_session().await).await;
    assert!(text_of(&empty).contains("NO EVIDENCE CLASS – VERIFICATION FAILED"));
}

#[tokio::test]
async fn every_section_of_the_contract_is_there() {
    let app = TestApp::start().await;
    let text = text_of(&Paper::of(&app, app.sealed_session().await).await);
    for heading in [
        "What is proven, and what is not",
        "Executive summary",
        "Violations",
        "Timeline",
        "Tool access",
        "Personal data",
        "Integrity and signatures",
        "Chain of custody",
        "How to verify",
        "Disclaimer",
    ] {
        assert!(text.matches(heading).count() >= 2, "{heading} in the contents and on its page");
    }
    let disclaimer = "EVIDENCE SUPPORT STATEMENT. This report provides cryptographic evidence to \
        support audit and investigation. It does not certify compliance with any legal, regulatory \
        or contractual standard.";
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words.matches(disclaimer).count(), 2, "on the cover and at the end");
}

#[tokio::test]
async fn violations_stand_with_their_action_log_and_the_policy_in_force() {
    let app = TestApp::start().await;
    let policy = app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session().await;
    let call = events::call_of(session, 1, "wire_transfer");
    let _ = app.append(session, &[events::session_start(session), call]).await.expect(201);
    let violation = app.only_violation("").await;
    let _ = app.act(&violation, "acknowledge", &json!({ "comment": "seen by ada" })).await;

    let paper = Paper::of(&app, session).await;

    let text = text_of(&paper);
    let hash = policy["content_hash"].as_str().unwrap();
    for part in ["allowed-tools", "wire_transfer", "not_in_list", "acknowledged", hash] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("Policy in force: tool-access 1.0.0"), "{text}");
    paper.tool("pdfdetach", &["-saveall", "session.pdf"]);
    let export = paper.json(&format!("session_{session}.json"));
    assert_eq!(export["policies"][0]["content_hash"], hash);
    assert_eq!(export["policies"][0]["document"], tool_policy("1.0.0"));
}

#[tokio::test]
async fn texts_of_any_kind_are_shown_and_never_obeyed() {
    let app = TestApp::start().await;
    let session = app.start_session_with(json!({ "agent_id": "#panic(\"x\") *bold* $y$" })).await;
    let name = "工具 😀 \u{202e}lru\u{0007} العربية";
    let mut call = events::call_of(session, 1, name);
    call["actor_id"] = json!("W".repeat(120));
    let long = events::call_of(session, 2, "#set page(fill: red) \\ @ref <label>");
    let _ = app.append(session, &[events::session_start(session), call, long]).await.expect(201);

    let text = text_of(&Paper::of(&app, session).await);

    assert!(text.contains("#panic(\"x\") *bold* $y$"), "{text}");
    assert!(text.contains("[U+1F600]") && text.contains("[U+202E]"), "{text}");
    assert!(text.contains("[U+5DE5]") && text.contains("[U+0007]"), "{text}");
}

#[tokio::test]
async fn a_session_of_5000_events_is_cut_with_a_note() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    for first in (1..5_000).step_by(999) {
        let count = 999.min(5_000 - first);
        let _ = app.append(session, &events::tool_calls(session, first, count)).await.expect(201);
    }
    let paper = Paper::of(&app, session).await;
    let text = text_of(&paper);
    assert!(text.contains("The first 300 of 5000 events. 4700 further events"), "{text}");
    assert!(text.contains("The first 300 of 4999 uses of tools."), "{text}");
    assert_eq!(verify(&app, &paper, &["--rerender"]).0, 1);
}

#[tokio::test]
async fn attached_files_that_were_changed_are_found() {
    let app = TestApp::start().await;
    let paper = Paper::of(&app, app.sealed_session().await).await;
    let other = Paper::of(&app, app.sealed_session().await).await;
    let (foreign_json, foreign_seal) = (attached(&other, "session_"), attached(&other, "seal"));
    for (file, content) in [("session_", foreign_json), ("seal", foreign_seal)] {
        let (exit, report) = verify(&app, &tampered(&paper, file, content), &[]);
        assert_eq!((exit, &report["status"]), (2, &json!("FAIL")), "{file}: {report}");
        let codes: Vec<_> =
            report["findings"].as_array().unwrap().iter().map(|f| f["code"].clone()).collect();
        assert!(codes.contains(&json!("FILE_HASH_MISMATCH")), "{file}: {report}");
    }
    let (exit, report) = verify(&app, &tampered(&paper, "session_", b"{}".to_vec()), &[]);
    assert_eq!((exit, &report["format"]), (5, &json!("pdf")), "{report}");
}

#[tokio::test]
async fn pages_that_were_changed_are_found_by_setting_them_anew() {
    let app = TestApp::start().await;
    let mut paper = Paper::of(&app, app.sealed_session().await).await;
    let mut document = Document::load_mem(&paper.bytes).unwrap();
    let page = document.get_pages()[&1];
    document.change_page_content(page, b"BT ET".to_vec()).unwrap();
    paper.write(saved(document));

    let (exit, report) = verify(&app, &paper, &["--jwks", "jwks.json"]);
    assert_eq!((exit, &report["status"]), (0, &json!("PASS")), "{report}");
    let integrity = report["axes"]["integrity"]["reason"].as_str().unwrap();
    assert!(integrity.contains("pages of the PDF were not compared"), "{integrity}");
    let (exit, report) = verify(&app, &paper, &["--jwks", "jwks.json", "--rerender"]);
    assert_eq!((exit, &report["findings"][0]["code"]), (2, &json!("FILE_HASH_MISMATCH")));
}

#[tokio::test]
async fn what_is_no_pdf_of_ours_cannot_be_read() {
    let app = TestApp::start().await;
    let mut paper = Paper::of(&app, app.sealed_session().await).await;
    let whole = paper.bytes.clone();
    let cut = |at: usize| whole[..at].to_vec();
    let bare =
        b"%PDF-1.7\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF".to_vec();
    for bytes in [b"%PDF-".to_vec(), cut(1000), cut(whole.len() / 2), cut(whole.len() - 40), bare] {
        paper.write(bytes);
        let (exit, report) = verify(&app, &paper, &[]);
        assert_eq!((exit, &report["exit_code"]), (5, &json!(5)), "{report}");
    }
}

#[tokio::test]
async fn the_server_verifies_a_pdf_that_is_uploaded() {
    let app = TestApp::start().await;
    let paper = Paper::of(&app, app.sealed_session().await).await;
    let request = app.request(reqwest::Method::POST, "/v1/verify");
    let request = request.header("content-type", "application/pdf").body(paper.bytes.clone());
    let report = tests::send(request).await.expect(200).body;
    assert_eq!((&report["status"], &report["format"]), (&json!("PASS"), &json!("pdf")));
    assert_eq!(report["axes"]["signer"]["result"], "pass");
}

#[tokio::test]
async fn twenty_requests_at_once_are_all_answered() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    let papers = futures::future::join_all((0..20).map(|_| Paper::of(&app, session))).await;
    assert!(papers.iter().all(|paper| paper.bytes.starts_with(b"%PDF-")));
}

#[tokio::test]
async fn the_printed_commands_verify_a_pdf_without_our_software() {
    let app = TestApp::start().await;
    let session: Uuid = app.sealed_session().await;
    let paper = Paper::of(&app, session).await;
    let script = include_str!("../../../infrastructure/src/pdf/session/by_hand.sh");
    let told = paper.tool("bash", &["-euo", "pipefail", "-c", script]);
    assert!(told.contains("Signature Verified Successfully"), "{told}");
    let lines: Vec<&str> = told.lines().collect();
    let [.., found, payload, recorded] = lines.as_slice() else { panic!("{told}") };
    assert!(found.trim().parse::<u32>().unwrap() >= 1, "{told}");
    assert!(recorded.contains(&payload[..64]), "{told}");
}

/// The specification of an attached file whose name begins so.
fn stream_of(document: &Document, name: &str) -> ObjectId {
    let specification = document.objects.values().filter_map(|o| o.as_dict().ok()).find(|d| {
        let file = d.get(b"UF").and_then(lopdf::decode_text_string).unwrap_or_default();
        file.starts_with(name)
    });
    let files = specification.unwrap().get(b"EF").and_then(Object::as_dict).unwrap();
    files.get(b"F").and_then(Object::as_reference).unwrap()
}

fn attached(paper: &Paper, name: &str) -> Vec<u8> {
    let document = Document::load_mem(&paper.bytes).unwrap();
    let stream = document.get_object(stream_of(&document, name)).unwrap().as_stream().unwrap();
    stream.get_plain_content().unwrap()
}

fn tampered(paper: &Paper, name: &str, content: Vec<u8>) -> Paper {
    let mut document = Document::load_mem(&paper.bytes).unwrap();
    let id = stream_of(&document, name);
    let stream = document.get_object_mut(id).unwrap().as_stream_mut().unwrap();
    stream.set_plain_content(content);
    paper.beside(saved(document))
}

fn saved(mut document: Document) -> Vec<u8> {
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}
