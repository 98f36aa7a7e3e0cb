//! RFC 8785 (JCS): the one byte form of a JSON value.

use std::borrow::Cow;

use super::json::{self, DEPTH_MAX, FlawKind, Json, JsonError};
use crate::hash::Hash;

/// Why a text has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    #[error(transparent)]
    NotJson(#[from] JsonError),
    #[error("{} at {pointer:?}", kind.reason())]
    Unfaithful { pointer: String, kind: FlawKind },
}

/// The canonical form of a JSON text; refuses what JCS cannot carry instead of rounding it.
pub fn canonicalize(text: &[u8]) -> Result<Vec<u8>, CanonicalError> {
    let document = json::parse(text, DEPTH_MAX)?;
    // A NUL is refused at the door of the server, not by the canonical form: JCS carries it.
    if let Some(flaw) = document.flaws.iter().find(|f| f.kind != FlawKind::Nul) {
        return Err(CanonicalError::Unfaithful { pointer: flaw.pointer(), kind: flaw.kind });
    }
    Ok(to_canonical(&document.root))
}

/// The canonical form of a value that was read without flaws.
pub fn to_canonical(value: &Json<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write(value, &mut out);
    out
}

/// The text under `key` at the top of a canonical object; none when it is absent or no text.
///
/// For what is looked up in every event, where reading the whole value again would cost too much.
pub fn text_member<'t>(object: &'t str, key: &str) -> Option<Cow<'t, str>> {
    let mut rest = object.strip_prefix('{')?;
    loop {
        let (name, after) = rest.split_at(value_end(rest)?);
        let after = after.strip_prefix(':')?;
        let (value, after) = after.split_at(value_end(after)?);
        if unquoted(name)? == key {
            return unquoted(value);
        }
        rest = after.strip_prefix(',')?;
    }
}

/// Where the canonical value that a text begins with ends.
fn value_end(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b',' | b':' | b'}' | b']' if depth == 0 => return Some(at),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// What a canonical string says, if the value is one.
fn unquoted(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(value).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// Appends the canonical form of a value.
pub fn write(value: &Json<'_>, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Number(n) if is_plain_integer(n.literal) => {
            out.extend_from_slice(n.literal.as_bytes());
        }
        Json::Number(n) => write_number(n.value, out),
        Json::String(text) => write_string(text, out),
        Json::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        // The reader has sorted the members.
        Json::Object(members) => {
            out.push(b'{');
            for (i, (key, value)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(key, out);
                out.push(b':');
                write(value, out);
            }
            out.push(b'}');
        }
    }
}

/// Up to 15 digits without a sign: its own canonical form, no float formatting needed.
fn is_plain_integer(literal: &str) -> bool {
    literal.len() <= 15 && literal.bytes().all(|b| b.is_ascii_digit())
}

/// A number as ECMAScript writes it (RFC 8785, 3.2.2.3). `value` is finite.
pub fn write_number(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
}

/// An integer that a double carries.
pub fn write_integer(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A string with the escapes of RFC 8785, 3.2.2.2, and no others.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut plain = 0;
    for (at, &b) in bytes.iter().enumerate() {
        if b >= 0x20 && b != b'"' && b != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[plain..at]);
        plain = at + 1;
        match b {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x0d => out.extend_from_slice(b"\\r"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(b >> 4)]);
                out.push(HEX[usize::from(b & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

/// The canonical form of a value that serde can write, for documents that we make ourselves.
///
/// # Errors
/// When the value does not serialise, or holds what JCS cannot carry (an integer beyond 2^53-1).
pub fn of_serde<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let text = serde_json::to_vec(value).map_err(|_| JsonError {
        message: "the value does not serialise",
        line: 0,
        column: 0,
    })?;
    canonicalize(&text)
}

/// SHA-256 over a canonical form.
pub fn payload_hash(canonical: &[u8]) -> Hash {
    Hash::of(canonical)
}
