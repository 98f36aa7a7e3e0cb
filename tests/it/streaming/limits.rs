//! Streams end, are counted, and cost no memory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::{EventStream, TestApp, events};

/// Resident memory of a process, in KiB.
fn memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_stream_ends_at_its_age_with_a_farewell() {
    let app = TestApp::start_with(&[("EXHIBIT_STREAM_SECONDS_MAX", "2")]).await;
    let began = Instant::now();
    let mut stream = app.stream("").await;
    stream.expect("ready").await;
    let bye = stream.expect("bye").await;
    assert_eq!(bye.get("reason"), "max_age");
    let (age, retry) = (began.elapsed(), bye.retry.unwrap());
    assert!(age > Duration::from_millis(1_550) && age < Duration::from_millis(3_500), "{age:?}");
    assert!((500..=5_000).contains(&retry), "{retry}");
    assert_eq!(stream.next().await, None, "the end");
}

#[tokio::test]
async fn a_stream_that_always_has_something_to_send_ends_at_its_age_too() {
    let app = TestApp::start_with(&[("EXHIBIT_STREAM_SECONDS_MAX", "2")]).await;
    let mut stream = app.stream("").await;
    stream.expect("ready").await;
    let write = async {
        loop {
            app.start_session().await;
        }
    };
    let read = async {
        loop {
            let frame = stream.next().await.expect("a farewell before the end");
            if frame.is("bye") {
                return frame;
            }
        }
    };
    let bye = tokio::select! {
        () = write => unreachable!("writing does not end"),
        bye = read => bye,
    };
    assert_eq!(bye.get("reason"), "max_age");
}

#[tokio::test]
async fn streams_beyond_a_limit_are_turned_away_without_an_error() {
    let app = TestApp::start_with(&[
        ("EXHIBIT_STREAMS_PER_KEY_MAX", "2"),
        ("EXHIBIT_STREAMS_PER_TENANT_MAX", "3"),
        ("EXHIBIT_STREAMS_MAX", "4"),
    ])
    .await;
    let turned_away = async |mut stream: EventStream| {
        let bye = stream.expect("bye").await;
        assert_eq!(bye.get("reason"), "too_many_streams");
        assert_eq!(bye.retry, Some(15_000));
        assert_eq!(stream.next().await, None);
    };
    let admitted = async |mut stream: EventStream| {
        stream.expect("ready").await;
        stream
    };
    let second = app.make_key("demo", "evidence:read");
    let second = app.as_key(&second);
    let other = app.make_key(&app.make_tenant("other"), "evidence:read");
    let other = app.as_key(&other);
    let mut open = vec![admitted(app.stream("").await).await, admitted(app.stream("").await).await];
    turned_away(app.stream("").await).await;
    let mut with_cursor = app.resume_stream("k7q2m4xd-7").await;
    let bye = with_cursor.expect("bye").await;
    assert_eq!(bye.id.as_deref(), Some("k7q2m4xd-7"), "it is not forgotten meanwhile");
    open.push(admitted(second.stream("").await).await);
    turned_away(second.stream("").await).await;
    open.push(admitted(other.stream("").await).await);
    turned_away(other.stream("").await).await;
    open.remove(0);
    // Its place is free again as soon as the server has noticed.
    for _ in 0..100 {
        let mut stream = app.stream("").await;
        let first = stream.next().await.unwrap();
        if first.is("ready") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a place is not given back");
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_first() {
    let mut app = TestApp::start().await;
    let session = app.start_session().await;
    let mut stream = app.stream("").await;
    stream.expect("ready").await;
    let path = format!("/v1/sessions/{session}/stream");
    let mut records = EventStream::open(app.request(reqwest::Method::GET, &path)).await;
    records.expect("ready").await;
    let began = Instant::now();
    app.stop();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    for stream in [&mut stream, &mut records] {
        let bye = stream.expect("bye").await;
        assert_eq!(bye.get("reason"), "shutdown");
        assert!((500..=5_000).contains(&bye.retry.unwrap()));
        assert_eq!(stream.next().await, None);
    }
}

/// A reader that sends its request and then reads nothing.
fn stalled(app: &TestApp) -> TcpStream {
    let address = app.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /v1/stream HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\r\n",
        app.key
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut first = [0; 64];
    stream.read_exact(&mut first).unwrap();
    stream
}

/// Items of some 2.5 KB each: a start carries 32 long tags.
async fn large_items(app: &TestApp, count: usize) {
    let tags: Vec<Value> = (0..32).map(|n| format!("{n:0>64}").into()).collect();
    for _ in 0..count {
        app.start_session_with(serde_json::json!({ "tags": tags })).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_reader_costs_bounded_memory_and_harms_no_other() {
    let app = TestApp::start_with(&[("EXHIBIT_WRITE_STALL_SECONDS_MAX", "3")]).await;
    let mut healthy = app.stream("").await;
    let head = healthy.expect("ready").await.position();
    large_items(&app, 50).await;
    let _ = healthy.items(50).await;
    let stalled: Vec<TcpStream> = (0..20).map(|_| stalled(&app)).collect();
    let before = memory_kib(app.pid());
    let count = 5_000;
    let writers = (0..4).map(|_| large_items(&app, count / 4));
    let (_, items) = tokio::join!(futures::future::join_all(writers), healthy.items(count));
    assert_eq!(items.last().unwrap().position(), head + 50 + count as u64, "it got everything");
    let grown = memory_kib(app.pid()).saturating_sub(before);
    // 20 readers that missed 12 MB each would hold 240 MB.
    assert!(grown < 48 * 1024, "{grown} KiB more");
    // What the kernel took for a stalled reader is full: the server gives it up.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let metrics = app.get("/metrics").await.text;
    let open = metrics.lines().find(|line| line.starts_with("exhibit_streams_open ")).unwrap();
    assert_eq!(open, "exhibit_streams_open 1", "the healthy one");
    drop(stalled);
}

#[tokio::test]
async fn what_a_reader_has_missed_of_a_stream_is_not_skipped_over() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let mut slow = app.stream("").await;
    let head = slow.expect("ready").await.position();
    // Far more than the ring holds, while the reader does not read. What fits into the sockets'
    // buffers is delivered; where that ends, the stream must end.
    for batch in 0..700 {
        let events = [events::tool_call(session, batch)];
        let _ = app.append(session, &events).await.expect(201);
    }
    let mut expected = head;
    while let Some(frame) = slow.next().await {
        if frame.is("bye") {
            assert_eq!(frame.get("reason"), "slow_consumer");
            return;
        }
        if frame.is_item() {
            expected += 1;
            assert_eq!(frame.position(), expected, "no hole");
        }
        if expected == head + 700 {
            return;
        }
    }
    panic!("the stream has ended without a farewell at {expected}");
}
