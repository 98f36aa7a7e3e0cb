//! Medians, quantiles, memory and files.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Of an odd number of rounds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Median(Vec<f64>);

impl Median {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    pub(crate) fn get(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// In milliseconds; sorts what it is given.
pub(crate) fn quantile_ms(times: &mut [Duration], q: f64) -> f64 {
    times.sort_unstable();
    let at = (times.len() as f64 * q) as usize;
    times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}

/// What a process holds at the moment (`VmRSS`).
pub(crate) fn resident_kib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(f64::NAN)
}

/// A subscriber is an open file.
pub(crate) fn allow_connections() -> Result<u64, nix::Error> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// Of the last minute, five and fifteen: what else the machine had to do shows in the numbers.
pub(crate) fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
