//! Opaque, signed page cursors: a client can hold one and give it back, and nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::problem::Problem;

/// Bytes of the signature that a cursor carries: 128 bits, enough against guessing.
const TAG_BYTES: usize = 16;

/// Signs cursors under the server's secret.
#[derive(Clone)]
pub struct Cursors {
    secret: std::sync::Arc<[u8]>,
}

impl Cursors {
    pub fn new(secret: std::sync::Arc<[u8]>) -> Self {
        Self { secret }
    }

    /// Where a page begins, when a client says it with a cursor.
    pub fn given<T: DeserializeOwned>(
        &self,
        list: &str,
        cursor: Option<&str>,
    ) -> Result<Option<T>, Problem> {
        cursor.map(|cursor| self.open(list, cursor)).transpose()
    }

    /// Cuts items down to a page. There is a next one, and so a cursor, when they are more than
    /// that: lists ask for one item too many.
    pub fn page<I, T: Serialize>(
        &self,
        list: &str,
        items: &mut Vec<I>,
        limit: usize,
        mark: impl FnOnce(&I) -> T,
    ) -> Result<Option<String>, Problem> {
        let more = items.len() > limit;
        items.truncate(limit);
        let end = items.last().filter(|_| more);
        end.map(|item| self.seal(list, &mark(item))).transpose()
    }

    /// A cursor into one list (which the client cannot carry over to another).
    pub fn seal<T: Serialize>(&self, list: &str, mark: &T) -> Result<String, Problem> {
        let mark = serde_json::to_vec(mark).map_err(Problem::internal)?;
        let tag = self.tag(list, &mark);
        Ok(URL_SAFE_NO_PAD.encode([&tag[..TAG_BYTES], &mark].concat()))
    }

    /// The mark of a cursor that this server made for this list.
    pub fn open<T: DeserializeOwned>(&self, list: &str, cursor: &str) -> Result<T, Problem> {
        let invalid = Problem::cursor;
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
        let (tag, mark) = bytes.split_at_checked(TAG_BYTES).ok_or_else(invalid)?;
        let genuine: bool = self.tag(list, mark)[..TAG_BYTES].ct_eq(tag).into();
        if !genuine {
            return Err(invalid());
        }
        serde_json::from_slice(mark).map_err(|_| invalid())
    }

    fn tag(&self, list: &str, mark: &[u8]) -> [u8; 32] {
        // HMAC takes keys of any length (RFC 2104, section 3), so this cannot fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else { return [0; 32] };
        mac.update(b"exhibit cursor v1\0");
        mac.update(list.as_bytes());
        mac.update(b"\0");
        mac.update(mark);
        mac.finalize().into_bytes().into()
    }
}
