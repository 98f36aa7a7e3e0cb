//! The newest piece of a tenant's log as text, and what readers take of it.

use std::collections::VecDeque;

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use domain::ids::SessionId;
use domain::log::Cursor;
use projections::feed::Item;

use super::filter::TypeFilter;
use super::frames;

/// Frames that are kept.
pub(super) const RING_FRAMES_MAX: usize = 512;
/// Pieces that are kept put together: enough for a full ring of large items.
const SHARED_MAX: usize = 8;
/// Items that need a right of their own begin so.
const POLICIES: &str = "policy.";
/// Bytes of one write to a reader.
pub(super) const WRITE_BYTES_MAX: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Ring {
    frames: VecDeque<Frame>,
    /// Pieces that were put together for readers who want everything that they may see, with or
    /// without policies: most want the same ones.
    shared: VecDeque<(bool, Piece)>,
}

/// One position of the log. What may not be read has no text.
pub(super) struct Frame {
    pub(super) position: u64,
    written_at: DateTime<Utc>,
    session: Option<SessionId>,
    event_type: String,
    text: String,
}

/// What a reader finds after its cursor.
pub(super) enum Pull {
    Piece(Piece),
    /// It has seen everything.
    UpToDate,
    /// The ring has moved on.
    Gone,
}

/// What a reader wants of everything after a position, up to another.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    after: u64,
    /// Empty when it wants nothing of it.
    pub(super) text: Bytes,
    /// The last position in the text: the reader's cursor after it.
    pub(super) last: u64,
    pub(super) to: u64,
}

/// What a reader wants.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub types: TypeFilter,
    pub session: Option<SessionId>,
    /// Items of policies, too, which not every reader may see.
    pub policies: bool,
}

impl Wanted {
    fn everything(&self) -> bool {
        self.types.takes_all() && self.session.is_none()
    }

    fn takes(&self, event_type: &str) -> bool {
        self.types.takes(event_type) && (self.policies || !event_type.starts_with(POLICIES))
    }
}

impl Frame {
    pub(super) fn of(cursor: Cursor, item: &Item) -> Result<Self, serde_json::Error> {
        let text = item.body.as_ref().map(|body| frames::item(cursor, body)).transpose()?;
        Ok(Self {
            position: item.position,
            written_at: item.written_at,
            session: item.session,
            event_type: item.body.as_ref().map(|b| b.event_type.clone()).unwrap_or_default(),
            text: text.unwrap_or_default(),
        })
    }

    fn is_for(&self, wanted: &Wanted) -> bool {
        !self.text.is_empty()
            && wanted.takes(&self.event_type)
            && wanted.session.is_none_or(|session| self.session == Some(session))
    }
}

impl Ring {
    /// Takes what comes next, and lets go of the oldest.
    pub(super) fn extend(&mut self, frames: Vec<Frame>) {
        self.frames.extend(frames);
        let surplus = self.frames.len().saturating_sub(RING_FRAMES_MAX);
        self.frames.drain(..surplus);
        self.shared.clear();
    }

    /// What a reader that has seen everything up to `after` finds next.
    pub(super) fn pull(&mut self, after: u64, wanted: &Wanted) -> Pull {
        let (Some(first), Some(last)) = (self.frames.front(), self.frames.back()) else {
            return Pull::UpToDate;
        };
        let (first, last) = (first.position, last.position);
        if after >= last {
            return Pull::UpToDate;
        }
        if after + 1 < first {
            return Pull::Gone;
        }
        if !wanted.everything() {
            return Pull::Piece(self.piece(after, wanted));
        }
        let same = |(policies, piece): &&(bool, Piece)| {
            piece.after == after && *policies == wanted.policies
        };
        if let Some((_, known)) = self.shared.iter().find(same) {
            return Pull::Piece(known.clone());
        }
        let piece = self.piece(after, wanted);
        self.shared.truncate(SHARED_MAX - 1);
        self.shared.push_front((wanted.policies, piece.clone()));
        Pull::Piece(piece)
    }

    /// When the event at a position was written, if the ring still knows.
    pub(super) fn written_at(&self, position: u64) -> Option<DateTime<Utc>> {
        let frame = self.at(position).and_then(|index| self.frames.get(index));
        frame.map(|frame| frame.written_at)
    }

    /// Whether anything between two positions concerns a session; true when the ring cannot say.
    pub(super) fn concerns(&self, session: SessionId, after: u64, to: u64) -> bool {
        let Some(begin) = self.at(after + 1) else { return true };
        let mut new = self.frames.range(begin..).take_while(|frame| frame.position <= to);
        new.any(|frame| frame.session == Some(session))
    }

    /// Where a position stands: positions have no hole.
    fn at(&self, position: u64) -> Option<usize> {
        let offset = position.checked_sub(self.frames.front()?.position)?;
        usize::try_from(offset).ok().filter(|index| *index < self.frames.len())
    }

    fn piece(&self, after: u64, wanted: &Wanted) -> Piece {
        let begin = self.at(after + 1).unwrap_or(self.frames.len());
        Piece::of(self.frames.range(begin..), after, wanted)
    }
}

impl Piece {
    /// Of the frames after a position, as many as one write takes.
    pub(super) fn of<'f>(
        frames: impl IntoIterator<Item = &'f Frame>,
        after: u64,
        wanted: &Wanted,
    ) -> Self {
        let (mut text, mut last, mut to) = (Vec::new(), after, after);
        for frame in frames {
            if frame.is_for(wanted) {
                if !text.is_empty() && text.len() + frame.text.len() > WRITE_BYTES_MAX {
                    break;
                }
                text.extend_from_slice(frame.text.as_bytes());
                last = frame.position;
            }
            to = frame.position;
        }
        Self { after, text: text.into(), last, to }
    }
}
