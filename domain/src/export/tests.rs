use super::*;

fn order() -> Order {
    Order {
        kind: Kind::Evidence,
        formats: vec!["ndjson".to_owned()],
        session_id: None,
        filters: Filters::default(),
        audience: None,
        purpose: "audit".to_owned(),
    }
}

fn made() -> Made {
    let file = FileFact { name: "a.ndjson".to_owned(), bytes: 3, sha256: Hash::of(b"abc") };
    Made { counts: BTreeMap::new(), files: vec![file], manifest_hash: None }
}

fn command(what: ExportAction, by: &str) -> ExportCommand {
    ExportCommand { what, by: by.to_owned(), at: DateTime::UNIX_EPOCH }
}

/// The aggregate after these commands, each of which must be taken.
fn after(commands: Vec<ExportAction>) -> Export {
    let mut export = Export::default();
    for what in commands {
        for event in export.decide(command(what, "key:ada")).unwrap() {
            export.apply(event);
        }
    }
    export
}

fn request() -> ExportAction {
    ExportAction::Request(order())
}

fn download(purpose: Option<&str>) -> ExportAction {
    let purpose = purpose.map(str::to_owned);
    ExportAction::Download { file: "a.ndjson".to_owned(), purpose }
}

#[test]
fn what_is_made_is_the_act_of_who_asked() {
    let export = after(vec![request()]);
    let events = export.decide(command(ExportAction::Complete(made()), "worker")).unwrap();
    let [ExportEvent::Created { by, made: stored, .. }] = events.as_slice() else { panic!() };
    assert_eq!((by.as_str(), stored), ("key:ada", &made()));
}

#[test]
fn what_was_made_or_has_failed_is_not_made_again() {
    let fail = || ExportAction::Fail { reason: "no room".to_owned() };
    for (done, status) in
        [(ExportAction::Complete(made()), Status::Created), (fail(), Status::Failed)]
    {
        let export = after(vec![request(), done]);
        for again in [ExportAction::Complete(made()), fail(), request()] {
            assert_eq!(export.decide(command(again, "worker")), Err(ExportError::State(status)));
        }
    }
}

#[test]
fn only_what_was_made_is_taken_away_and_under_a_purpose() {
    let waiting = after(vec![request()]);
    let refused = waiting.decide(command(download(None), "key:bob"));
    assert_eq!(refused, Err(ExportError::State(Status::Requested)));
    let export = after(vec![request(), ExportAction::Complete(made())]);
    let taken = |purpose| export.decide(command(download(purpose), "key:bob")).unwrap();
    for (given, kept) in [(None, "audit"), (Some("court"), "court")] {
        let events = taken(given);
        let [ExportEvent::Downloaded { order, by, .. }] = events.as_slice() else { panic!() };
        assert_eq!((order.purpose.as_str(), by.as_str()), (kept, "key:bob"));
    }
    let other = ExportAction::Download { file: "../a".to_owned(), purpose: None };
    assert_eq!(export.decide(command(other, "key:bob")), Err(ExportError::NoSuchFile));
}

#[test]
fn what_has_expired_is_gone() {
    let export = after(vec![request(), ExportAction::Complete(made()), ExportAction::Expire]);
    let refused = export.decide(command(download(None), "key:bob"));
    assert_eq!(refused, Err(ExportError::State(Status::Expired)));
    assert_eq!(export.decide(command(ExportAction::Expire, "worker")), Ok(vec![]));
}

#[test]
fn without_a_purpose_nothing_leaves() {
    let unseen = ["\u{200b}\u{200d}", "\u{2060} \u{feff}", "\u{3164}", "\u{202e}", "--"];
    for purpose in unseen.into_iter().chain(["", "  ", "a\nb", "a\0", &"x".repeat(257)]) {
        let mut order = order();
        order.purpose = purpose.to_owned();
        let asked = Export::default().decide(command(ExportAction::Request(order), "key:ada"));
        assert_eq!(asked, Err(ExportError::Purpose), "{purpose:?}");
        let export = after(vec![request(), ExportAction::Complete(made())]);
        let taken = export.decide(command(download(Some(purpose)), "key:ada"));
        assert_eq!(taken, Err(ExportError::Purpose), "{purpose:?}");
    }
}

#[test]
fn a_period_that_ends_before_it_begins_is_refused() {
    for (since, until, refused) in [(1, 2, false), (2, 2, true), (3, 2, true)] {
        let mut order = order();
        order.filters.since = DateTime::from_timestamp(since, 0);
        order.filters.until = DateTime::from_timestamp(until, 0);
        let asked = Export::default().decide(command(ExportAction::Request(order), "key:ada"));
        assert_eq!(asked == Err(ExportError::Period), refused, "{since} {until}");
    }
}

#[test]
fn times_finer_than_the_records_are_refused() {
    for nanos in [1, 500, 999_999_999] {
        let mut order = order();
        order.filters.until = DateTime::from_timestamp(0, nanos);
        let asked = Export::default().decide(command(ExportAction::Request(order), "key:ada"));
        assert_eq!(asked, Err(ExportError::Precision), "{nanos}");
    }
    let mut order = order();
    order.filters.since = DateTime::from_timestamp(0, 999_999_000);
    assert!(Export::default().decide(command(ExportAction::Request(order), "key:ada")).is_ok());
}

#[test]
fn nothing_happens_to_what_nobody_asked_for() {
    for what in [ExportAction::Complete(made()), download(None), ExportAction::Expire] {
        let refused = Export::default().decide(command(what, "key:ada"));
        assert_eq!(refused, Err(ExportError::NotFound));
    }
}
