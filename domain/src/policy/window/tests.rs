//! When thresholds are crossed, example by example and against a recount of everything.

use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000;

fn threshold(kind: ThresholdKind, value: f64, window_seconds: u32) -> Threshold {
    Threshold { kind, value, window_seconds }
}

/// The seconds at which a threshold was crossed, with the start of its window.
fn crossings(threshold: &Threshold, events: &[(i64, bool)]) -> Vec<(i64, i64)> {
    let mut window = Window::default();
    let push = |&(at, failed): &(i64, bool)| {
        let crossing = window.push(threshold, at * SECOND, failed)?;
        Some((at, crossing.window_start_micros / SECOND))
    };
    events.iter().filter_map(push).collect()
}

#[test]
fn a_count_is_crossed_again_only_after_it_has_fallen() {
    let three = threshold(ThresholdKind::Count, 3.0, 60);
    let failures = |at: &[i64]| at.iter().map(|&at| (at, true)).collect::<Vec<_>>();
    assert_eq!(crossings(&three, &failures(&[0, 10, 20, 30, 40])), [(20, 0)]);
    assert_eq!(crossings(&three, &failures(&[0, 10, 60, 69, 70])), [(69, 10), (70, 60)]);
    assert_eq!(crossings(&three, &failures(&[0, 1, 2, 100, 101, 102])), [(2, 0), (102, 100)]);
}

#[test]
fn a_count_is_open_at_its_far_end_and_a_time_window_is_not() {
    let events = [(0, true), (60, true)];
    assert_eq!(crossings(&threshold(ThresholdKind::Count, 2.0, 60), &events), []);
    assert_eq!(crossings(&threshold(ThresholdKind::TimeWindow, 2.0, 60), &events), [(60, 0)]);
}

#[test]
fn a_count_of_one_is_crossed_by_the_first_failure_of_each_window() {
    let one = threshold(ThresholdKind::Count, 1.0, 10);
    assert_eq!(
        crossings(&one, &[(0, true), (5, true), (12, true), (30, true)]),
        [(0, 0), (30, 30)]
    );
}

#[test]
fn a_percentage_counts_the_events_that_did_not_fail() {
    let half = threshold(ThresholdKind::Percent, 50.0, 60);
    let events = [(0, false), (1, true), (2, false), (3, false), (4, true), (5, true)];
    assert_eq!(crossings(&half, &events), [(1, 1), (5, 1)]);
    assert_eq!(crossings(&half, &[(0, false), (100, false)]), []);
}

#[test]
fn a_late_event_counts_where_it_belongs_or_not_at_all() {
    let two = threshold(ThresholdKind::Count, 2.0, 60);
    assert_eq!(crossings(&two, &[(100, true), (50, true)]), [(50, 50)]);
    assert_eq!(crossings(&two, &[(100, true), (40, true)]), []);
}

#[test]
fn a_busy_percentage_stays_small_and_forgets_in_time() {
    let half = threshold(ThresholdKind::Percent, 50.0, 60);
    let mut window = Window::default();
    // Two minutes of an event each millisecond, the second of them without failures.
    for milli in 0..120_000_i64 {
        window.push(&half, milli * 1_000, milli < 60_000);
        assert!(window.instants.len() <= INSTANTS_MAX);
    }
    // What failed has left, but for at most one cell of about 117 events.
    assert!(window.failures <= 118, "{}", window.failures);
    assert!((60_000..=60_118).contains(&window.events), "{}", window.events);
}

#[test]
fn a_count_keeps_no_more_instants_than_it_waits_for() {
    let many = threshold(ThresholdKind::Count, 10.0, 2_592_000);
    let mut window = Window::default();
    for at in 0..1_000 {
        window.push(&many, at, true);
    }
    assert_eq!((window.instants.len(), window.failures), (10, 10));
}

#[test]
fn a_stored_window_that_was_tampered_with_is_refused() {
    for text in [
        r#"{"n":9,"c":false,"i":[1,1]}"#,
        r#"{"n":9,"c":false,"i":[1,2,1]}"#,
        r#"{"n":9,"c":false,"i":[1,-1,1]}"#,
        r#"{"n":9,"c":false,"i":[1,0,0]}"#,
        r#"{"n":9,"c":false,"i":[1,1,1,0,1,1]}"#,
        r#"{"n":9,"c":false,"i":[10,1,1]}"#,
        r#"{"c":false,"i":[1,1,1]}"#,
    ] {
        assert!(serde_json::from_str::<Window>(text).is_err(), "{text}");
    }
}

#[test]
fn extreme_instants_do_no_harm() {
    let two = threshold(ThresholdKind::TimeWindow, 2.0, 2_592_000);
    let mut window = Window::default();
    for at in [i64::MIN, i64::MAX, 0, i64::MIN, i64::MAX] {
        window.push(&two, at, true);
        let text = serde_json::to_string(&window).expect("JSON");
        assert_eq!(serde_json::from_str::<Window>(&text).expect("a window"), window);
    }
}

/// The same rules over the whole history, counted anew at each event.
fn recount(threshold: &Threshold, events: &[(i64, bool)]) -> Vec<Option<Crossing>> {
    let mut crossed = false;
    let mut answers = Vec::new();
    for (at, &(latest, _)) in events.iter().enumerate() {
        let now = events[..at].iter().map(|e| e.0).fold(latest, i64::max);
        let window = i64::from(threshold.window_seconds) * SECOND;
        let inside = |event: &&(i64, bool)| match threshold.kind {
            ThresholdKind::TimeWindow => now - event.0 <= window,
            ThresholdKind::Count | ThresholdKind::Percent => now - event.0 < window,
        };
        let percent = threshold.kind == ThresholdKind::Percent;
        let look = |events: &[(i64, bool)]| {
            let inside: Vec<_> = events.iter().filter(inside).collect();
            let failures: Vec<i64> = inside.iter().filter(|e| e.1).map(|e| e.0).collect();
            let reached = if percent {
                let rate = 100.0 * failures.len() as f64 / inside.len() as f64;
                !inside.is_empty() && rate >= threshold.value
            } else {
                failures.len() as f64 >= threshold.value
            };
            (reached, failures, inside.len() as u64)
        };
        crossed &= look(&events[..at]).0;
        let (reached, mut failures, total) = look(&events[..=at]);
        failures.sort_unstable();
        answers.push((reached && !crossed).then(|| Crossing {
            window_start_micros: failures[0],
            failures: failures.len() as u64,
            events: if percent { total } else { failures.len() as u64 },
        }));
        crossed = reached;
    }
    answers
}

fn any_threshold() -> impl Strategy<Value = Threshold> {
    let counted = prop_oneof![Just(ThresholdKind::Count), Just(ThresholdKind::TimeWindow)];
    prop_oneof![
        2 => (counted, 1..6_u32, 1..20_u32).prop_map(|(kind, value, window_seconds)| {
            threshold(kind, value.into(), window_seconds)
        }),
        // Halves and quarters, so that both ways of comparing a rate are exact.
        1 => (1..=8_u32, 1..20_u32).prop_map(|(eighths, window_seconds)| {
            threshold(ThresholdKind::Percent, f64::from(eighths) * 12.5, window_seconds)
        }),
    ]
}

/// Events mostly forward in time, at whole half seconds so that ends of windows are met exactly.
fn history() -> impl Strategy<Value = Vec<(i64, bool)>> {
    let stride = prop_oneof![6 => 0..6_i64, 2 => -6..0_i64, 1 => 10..60_i64];
    proptest::collection::vec((stride, any::<bool>()), 0..80).prop_map(|steps| {
        let mut at = 1_000 * SECOND;
        let place = |(stride, failed): (i64, bool)| {
            at += stride * SECOND / 2;
            (at, failed)
        };
        steps.into_iter().map(place).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_window_answers_as_a_recount_of_everything_does(
        threshold in any_threshold(), events in history(),
    ) {
        let mut window = Window::default();
        let answers: Vec<_> =
            events.iter().map(|&(at, failed)| window.push(&threshold, at, failed)).collect();
        prop_assert_eq!(answers, recount(&threshold, &events));
    }

    #[test]
    fn a_window_goes_on_as_if_it_had_not_been_stored(
        threshold in any_threshold(), events in history(),
    ) {
        let mut kept = Window::default();
        let mut stored = Window::default();
        for (at, failed) in events {
            let text = serde_json::to_string(&stored).expect("JSON");
            stored = serde_json::from_str(&text).expect("a window");
            prop_assert_eq!(&stored, &kept);
            prop_assert_eq!(
                stored.push(&threshold, at, failed), kept.push(&threshold, at, failed)
            );
        }
    }
}
