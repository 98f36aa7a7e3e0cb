//! A tenant's log as its readers hold it: cursors, and when one cannot be gone on from.
//!
//! Source: contract/stream.md, sections 1 and 2.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

/// Names one history of a tenant's log: `^[a-z2-7]{8}$`. It changes when a log is restored or moved
/// with loss, so that no cursor of the old history fits the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch([u8; 8]);

impl Epoch {
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 8] = text.as_bytes().try_into().ok()?;
        let known = |b: &u8| matches!(b, b'a'..=b'z' | b'2'..=b'7');
        bytes.iter().all(known).then_some(Self(bytes))
    }

    pub fn as_str(&self) -> &str {
        // `parse` has let nothing but ASCII in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// A place in a tenant's log: everything up to `position` has been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub epoch: Epoch,
    pub position: u64,
}

/// Positions are PostgreSQL's `bigint`.
const POSITION_MAX: u64 = i64::MAX as u64;
const POSITION_DIGITS_MAX: usize = 19;

/// The text is no cursor: `^[a-z2-7]{8}-(0|[1-9][0-9]{0,18})$`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: expected <epoch>-<position>")]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (epoch, digits) = text.split_once('-').ok_or(NotACursor)?;
        Ok(Self {
            epoch: Epoch::parse(epoch).ok_or(NotACursor)?,
            position: parse_position(digits).ok_or(NotACursor)?,
        })
    }
}

/// Reads a position or a sequence number in its one form: decimal, no sign, no leading zero.
pub fn parse_position(digits: &str) -> Option<u64> {
    let plain = (1..=POSITION_DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    let position = plain.then(|| digits.parse().ok()).flatten()?;
    (position <= POSITION_MAX).then_some(position)
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch.as_str(), self.position)
    }
}

/// Why a reader must drop what it holds and begin anew at the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetReason {
    /// Bad syntax, another epoch, another tenant's, or ahead of the log: all alike, so that nothing
    /// leaks.
    UnknownCursor,
    /// The first unseen item is older than the window.
    ExpiredCursor,
    /// More is unseen than is replayed.
    ReplayLimit,
}

impl ResetReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownCursor => "unknown_cursor",
            Self::ExpiredCursor => "expired_cursor",
            Self::ReplayLimit => "replay_limit",
        }
    }
}

/// How far back a reader may go.
#[derive(Debug, Clone, Copy)]
pub struct ReplayBounds {
    /// Age of the oldest item that is replayed.
    pub window: TimeDelta,
    /// Items that are replayed at most, counted before filtering.
    pub items_max: u64,
}

impl ReplayBounds {
    /// Where a reader with this cursor goes on, or why it cannot.
    ///
    /// `head` is the log's last position. `first_unseen` is when the event after the cursor was
    /// written; a cursor at the head has none, and never expires.
    pub fn resume(
        &self,
        cursor: Cursor,
        head: Cursor,
        first_unseen: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<u64, ResetReason> {
        if cursor.epoch != head.epoch || cursor.position > head.position {
            return Err(ResetReason::UnknownCursor);
        }
        if first_unseen.is_some_and(|at| now - at > self.window) {
            return Err(ResetReason::ExpiredCursor);
        }
        if head.position - cursor.position > self.items_max {
            return Err(ResetReason::ReplayLimit);
        }
        Ok(cursor.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: ReplayBounds = ReplayBounds { window: TimeDelta::days(7), items_max: 500 };

    fn cursor(text: &str) -> Cursor {
        text.parse().unwrap()
    }

    fn resume(at: &str, head: &str, unseen_days: Option<i64>) -> Result<u64, ResetReason> {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(100);
        let first_unseen = unseen_days.map(|days| now - TimeDelta::days(days));
        BOUNDS.resume(cursor(at), cursor(head), first_unseen, now)
    }

    #[test]
    fn a_cursor_is_read_in_its_one_form_and_written_as_it_was_read() {
        for text in ["k7q2m4xd-0", "aaaaaaaa-1", "22222222-9223372036854775807"] {
            assert_eq!(cursor(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_not_exactly_a_cursor_is_none() {
        for text in [
            "",
            "-",
            "k7q2m4xd",
            "k7q2m4xd-",
            "k7q2m4x-1",
            "k7q2m4xdd-1",
            "K7q2m4xd-1",
            "k7q2m4x1-1",
            "k7q2m4xd-01",
            "k7q2m4xd-+1",
            "k7q2m4xd--1",
            "k7q2m4xd-1 ",
            " k7q2m4xd-1",
            "k7q2m4xd-1.0",
            "k7q2m4xd-9223372036854775808",
            "k7q2m4xd-99999999999999999999",
            "kéq2m4x-1",
            "k7q2m4xd-١",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor), "{text:?}");
        }
    }

    #[test]
    fn a_cursor_within_the_bounds_goes_on_from_where_it_stands() {
        assert_eq!(resume("k7q2m4xd-1500", "k7q2m4xd-2000", Some(7)), Ok(1500));
        assert_eq!(resume("k7q2m4xd-0", "k7q2m4xd-0", None), Ok(0));
    }

    #[test]
    fn a_cursor_at_the_head_never_expires() {
        assert_eq!(resume("k7q2m4xd-2000", "k7q2m4xd-2000", None), Ok(2000));
    }

    #[test]
    fn another_epoch_and_a_place_ahead_of_the_log_are_unknown_alike() {
        assert_eq!(resume("aaaaaaaa-1", "k7q2m4xd-5", Some(0)), Err(ResetReason::UnknownCursor));
        assert_eq!(resume("k7q2m4xd-6", "k7q2m4xd-5", None), Err(ResetReason::UnknownCursor));
    }

    #[test]
    fn what_cannot_be_replayed_in_full_is_not_replayed_in_part() {
        let far = resume("k7q2m4xd-1499", "k7q2m4xd-2000", Some(1));
        assert_eq!(far, Err(ResetReason::ReplayLimit), "501 behind");
        let old = resume("k7q2m4xd-1999", "k7q2m4xd-2000", Some(8));
        assert_eq!(old, Err(ResetReason::ExpiredCursor));
        let both = resume("k7q2m4xd-1", "k7q2m4xd-2000", Some(8));
        assert_eq!(both, Err(ResetReason::ExpiredCursor), "what is gone for good is said first");
    }
}
