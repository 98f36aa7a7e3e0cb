//! A strict JSON reader that forgets nothing which RFC 8785 needs.
//!
//! General parsers drop what a canonical form must not lose: the literal of a number, the second of
//! two equal keys, half a surrogate pair. This one keeps number literals, sorts members as RFC 8785
//! section 3.2.3 asks, and notes what JCS cannot carry as [`Flaw`]s beside a document that is
//! otherwise read to its end, so that the caller decides which complaint comes first.

use std::borrow::Cow;
use std::cmp::Ordering;

/// Nesting of a document that may be canonicalised (arrays and objects, the root counts as one).
pub const DEPTH_MAX: usize = 64;

/// Flaws kept of one document, and as many NULs beside them: the first answers, more would only
/// cost memory. Counted apart, because the canonical form asks for flaws and passes over NULs.
const FLAWS_MAX: usize = 16;

/// One JSON value that borrows from the text it was read from.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number<'a>),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    /// Members in the order of their keys' UTF-16 code units; of equal keys all are kept.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// A number with the literal it was written as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number<'a> {
    pub literal: &'a str,
    pub value: f64,
}

/// What was read: the value, and what in it JCS cannot carry faithfully.
#[derive(Debug)]
pub struct Document<'a> {
    pub root: Json<'a>,
    pub flaws: Vec<Flaw>,
    /// How deep the value nests, at most `depth_max` (what lies deeper is a flaw).
    pub depth: usize,
}

/// A place that JCS cannot carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// From the outermost to the innermost step.
    path: Vec<Step>,
    pub kind: FlawKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Why a place cannot be carried (RFC 8785 section 3.2.2, RFC 7493).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlawKind {
    DuplicateKey,
    LoneSurrogate,
    IntegerNotExact,
    Overflow,
    Depth,
    /// JCS could carry it; databases and C strings beyond us cannot.
    Nul,
}

impl FlawKind {
    /// The reason as it stands in `INGEST_JCS_INVALID`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::DuplicateKey => "duplicate key",
            Self::LoneSurrogate => "lone surrogate",
            Self::IntegerNotExact => "integer that a double cannot carry",
            Self::Overflow => "overflow",
            Self::Depth => "depth",
            Self::Nul => "NUL character",
        }
    }
}

impl Flaw {
    /// The place as a JSON pointer (RFC 6901), cut after 512 bytes.
    pub fn pointer(&self) -> String {
        self.pointer_from(0)
    }

    /// The place below the first `skip` steps.
    pub fn pointer_from(&self, skip: usize) -> String {
        let mut pointer = String::new();
        for step in self.path.iter().skip(skip) {
            pointer.push('/');
            match step {
                Step::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Step::Index(index) => pointer.push_str(&index.to_string()),
            }
            if pointer.len() > 512 {
                pointer.truncate(pointer.floor_char_boundary(512));
                pointer.push('…');
                break;
            }
        }
        pointer
    }

    /// The array index that stands at step `depth` of the path, if one does.
    pub fn index_at(&self, depth: usize) -> Option<usize> {
        match self.path.get(depth) {
            Some(Step::Index(index)) => Some(*index),
            _ => None,
        }
    }
}

/// The text is not JSON (RFC 8259).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at line {line}, column {column}")]
pub struct JsonError {
    pub message: &'static str,
    /// From 1.
    pub line: usize,
    /// In bytes from 1.
    pub column: usize,
}

impl<'a> Json<'a> {
    /// The value of a member, the first of equal keys.
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        match self {
            Self::Object(members) => members.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Json<'a>]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// A non-negative integer written as digits only, at most 2^53-1: `1.0`, `1e3` and `-0` are not.
    pub fn as_integer(&self) -> Option<u64> {
        match self {
            Self::Number(n) if n.literal.bytes().all(|b| b.is_ascii_digit()) => {
                n.literal.parse().ok().filter(|&n| n <= MAX_SAFE_INTEGER)
            }
            _ => None,
        }
    }

    /// What stands there, for a message to whoever sent it: scalars shortened, the rest by type.
    pub fn describe(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(b) => b.to_string(),
            Self::Number(n) => shorten(n.literal),
            Self::String(text) => shorten(text),
            Self::Array(_) => "array".to_owned(),
            Self::Object(_) => "object".to_owned(),
        }
    }
}

/// 2^53 - 1, the largest integer up to which doubles are exact.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

fn shorten(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 64;
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Reads one document. `depth_max` counts from the root; what lies deeper is skipped and noted.
pub fn parse(text: &[u8], depth_max: usize) -> Result<Document<'_>, JsonError> {
    let text = utf8(text)?;
    let mut reader =
        Reader { text, bytes: text.as_bytes(), at: 0, depth_max, depth: 0, flaws: Vec::new() };
    reader.space();
    let root = reader.value(1)?;
    reader.space();
    if reader.at < reader.bytes.len() {
        return Err(reader.error("unexpected text after the document"));
    }
    let (mut flaws, depth) = (reader.flaws, reader.depth);
    for flaw in &mut flaws {
        flaw.path.reverse();
    }
    Ok(Document { root, flaws, depth })
}

fn utf8(text: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(text).map_err(|e| place(text, e.valid_up_to(), "invalid UTF-8"))
}

fn place(text: &[u8], at: usize, message: &'static str) -> JsonError {
    let before = &text[..at.min(text.len())];
    let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |p| p + 1);
    let line = before.split(|&b| b == b'\n').count();
    JsonError { message, line, column: before.len() - line_start + 1 }
}

/// Order by UTF-16 code units (RFC 8785, 3.2.3) without encoding: UTF-8 bytes sort alike, but for
/// characters beyond U+FFFF (lead byte F0 and up), whose surrogates sort before U+E000 to U+FFFF.
pub fn utf16_order(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let Some(at) = a.iter().zip(b).position(|(x, y)| x != y) else {
        return a.len().cmp(&b.len());
    };
    match (a[at], b[at]) {
        (0xF0.., 0xEE | 0xEF) => Ordering::Less,
        (0xEE | 0xEF, 0xF0..) => Ordering::Greater,
        (x, y) => x.cmp(&y),
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth_max: usize,
    depth: usize,
    /// Paths are built from the inside out while the recursion unwinds.
    flaws: Vec<Flaw>,
}

impl<'a> Reader<'a> {
    fn error(&self, message: &'static str) -> JsonError {
        place(self.bytes, self.at, message)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn flaw(&mut self, kind: FlawKind) {
        if self.has_room_for(kind) {
            self.flaws.push(Flaw { path: Vec::new(), kind });
        }
    }

    fn has_room_for(&self, kind: FlawKind) -> bool {
        let is_nul = |kind| kind == FlawKind::Nul;
        self.flaws.len() < FLAWS_MAX
            || self.flaws.iter().filter(|f| is_nul(f.kind) == is_nul(kind)).count() < FLAWS_MAX
    }

    /// Adds the step that leads to the flaws found since `before`.
    fn extend_flaws(&mut self, before: usize, step: impl Fn() -> Step) {
        for flaw in &mut self.flaws[before..] {
            flaw.path.push(step());
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.depth = self.depth.max(depth.min(self.depth_max));
        match self.peek() {
            Some(b'{' | b'[') if depth > self.depth_max => {
                self.flaw(FlawKind::Depth);
                self.skip()?;
                Ok(Json::Null)
            }
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            _ => self.scalar(),
        }
    }

    fn scalar(&mut self) -> Result<Json<'a>, JsonError> {
        match self.peek() {
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => Ok(Json::Number(self.number()?)),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("unexpected end")),
        }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, JsonError> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.error("expected a value"))
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            self.space();
            let before = self.flaws.len();
            items.push(self.value(depth + 1)?);
            let index = items.len() - 1;
            self.extend_flaws(before, || Step::Index(index));
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(items));
                }
                Some(_) => return Err(self.error("expected , or ]")),
                None => return Err(self.error("unexpected end")),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.at += 1;
        let mut members = Vec::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            let before = self.flaws.len();
            let key = self.key()?;
            let value = self.value(depth + 1)?;
            self.extend_flaws(before, || Step::Key(key.as_ref().to_owned()));
            members.push((key, value));
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    self.sort(&mut members);
                    return Ok(Json::Object(members));
                }
                Some(_) => return Err(self.error("expected , or }")),
                None => return Err(self.error("unexpected end")),
            }
        }
    }

    fn key(&mut self) -> Result<Cow<'a, str>, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a string as key"));
        }
        let key = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.error("expected :"));
        }
        self.at += 1;
        self.space();
        Ok(key)
    }

    fn sort(&mut self, members: &mut [(Cow<'a, str>, Json<'a>)]) {
        members.sort_by(|(a, _), (b, _)| utf16_order(a, b));
        for pair in 1..members.len() {
            let twice = members[pair - 1].0 == members[pair].0;
            if twice && self.has_room_for(FlawKind::DuplicateKey) {
                let step = Step::Key(members[pair].0.as_ref().to_owned());
                self.flaws.push(Flaw { path: vec![step], kind: FlawKind::DuplicateKey });
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Borrowed(&self.text[start..self.at - 1]));
                }
                Some(b'\\') => return self.escaped_string(start).map(Cow::Owned),
                Some(0..0x20) => return Err(self.error("control character in a string")),
                Some(_) => self.at += 1,
                None => return Err(self.error("unexpected end in a string")),
            }
        }
    }

    fn escaped_string(&mut self, start: usize) -> Result<String, JsonError> {
        let mut out = String::with_capacity(self.at - start + 32);
        let mut plain = start;
        loop {
            match self.peek() {
                Some(b'"') => {
                    out.push_str(&self.text[plain..self.at]);
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    out.push_str(&self.text[plain..self.at]);
                    self.at += 1;
                    out.push(self.escape()?);
                    plain = self.at;
                }
                Some(0..0x20) => return Err(self.error("control character in a string")),
                Some(_) => self.at += 1,
                None => return Err(self.error("unexpected end in a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let escape = self.peek().ok_or_else(|| self.error("unexpected end in a string"))?;
        self.at += 1;
        Ok(match escape {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => {
                self.at -= 1;
                return Err(self.error("unknown escape"));
            }
        })
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.hex4()?;
        if first == 0 {
            self.flaw(FlawKind::Nul);
        }
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        let paired = first < 0xDC00 && self.bytes[self.at..].starts_with(b"\\u");
        if paired {
            let mark = self.at;
            self.at += 2;
            let second = self.hex4()?;
            if (0xDC00..0xE000).contains(&second) {
                let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = mark;
        }
        self.flaw(FlawKind::LoneSurrogate);
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at..self.at + 4);
        let digits = digits.filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.ok_or_else(|| self.error("expected four hex digits"))?;
        let code = digits
            .iter()
            .fold(0, |code, &d| code * 16 + char::from(d).to_digit(16).unwrap_or_default());
        self.at += 4;
        Ok(code)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.error("expected a digit"));
        }
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Number<'a>, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        let integer_end = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let literal = &self.text[start..self.at];
        let value: f64 = literal.parse().map_err(|_| self.error("expected a number"))?;
        if value.is_infinite() {
            self.flaw(FlawKind::Overflow);
            return Ok(Number { literal, value: 0.0 });
        }
        // 16 digits or more may exceed 2^53-1: then only its own canonical form is faithful.
        if integer_end == self.at && literal.len() > 15 && value.abs() > MAX_SAFE_INTEGER as f64 {
            let mut buffer = ryu_js::Buffer::new();
            if buffer.format_finite(value) != literal {
                self.flaw(FlawKind::IntegerNotExact);
            }
        }
        Ok(Number { literal, value })
    }

    /// Passes over one array or object of any depth without recursion, checking its syntax.
    fn skip(&mut self) -> Result<(), JsonError> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            self.space();
            match self.peek() {
                Some(b @ (b'{' | b'[')) => {
                    self.at += 1;
                    self.space();
                    let close = if b == b'{' { b'}' } else { b']' };
                    if self.peek() != Some(close) {
                        open.push(close);
                        if close == b'}' {
                            self.key()?;
                        }
                        continue;
                    }
                    self.at += 1;
                }
                _ => {
                    self.scalar()?;
                }
            }
            loop {
                let Some(&close) = open.last() else { return Ok(()) };
                self.space();
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        self.space();
                        if close == b'}' {
                            self.key()?;
                        }
                        break;
                    }
                    Some(b) if b == close => {
                        self.at += 1;
                        open.pop();
                    }
                    Some(_) => return Err(self.error("expected , or the closing bracket")),
                    None => return Err(self.error("unexpected end")),
                }
            }
        }
    }
}
