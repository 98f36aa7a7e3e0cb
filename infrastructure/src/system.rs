//! The system's clock and randomness: the one place where both come in.

use std::path::PathBuf;

use application::tenants::KeyMaker;
use application::{Clock, Ids, PortError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use uuid::Uuid;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one adapter of the clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

/// The machine's clock, ahead by the seconds that a file says: for tests that travel in time.
#[derive(Debug, Clone)]
pub struct ShiftedClock {
    file: PathBuf,
}

impl ShiftedClock {
    /// The file may come and change later; while it says no number, the clock is the machine's.
    pub fn new(file: PathBuf) -> Self {
        Self { file }
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> DateTime<Utc> {
        let said = std::fs::read_to_string(&self.file).ok();
        let seconds = said.and_then(|text| text.trim().parse().ok()).unwrap_or_default();
        SystemClock.now() + TimeDelta::try_seconds(seconds).unwrap_or_default()
    }
}

/// UUIDs version 7.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "the one adapter of identifiers")]
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }
}

impl KeyMaker for SystemIds {
    fn make(&self) -> Result<(String, String), PortError> {
        Ok((random_name()?, URL_SAFE_NO_PAD.encode(random_bytes::<32>()?)))
    }
}

/// Bytes from the operating system.
#[expect(clippy::disallowed_methods, reason = "the one adapter of randomness")]
pub fn random_bytes<const N: usize>() -> Result<[u8; N], PortError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| PortError::new("drawing random bytes", e))?;
    Ok(bytes)
}

/// A number below `bound`, for what only has to be spread: where there is no randomness, 0.
pub fn random_below(bound: u64) -> u64 {
    random_bytes::<8>().map_or(0, |bytes| u64::from_le_bytes(bytes) % bound.max(1))
}

/// 40 random bits as 8 characters of `a-z2-7` (the alphabet of RFC 4648, section 6).
pub fn random_name() -> Result<String, PortError> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bytes = random_bytes::<8>()?;
    Ok(bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 31)])).collect())
}
