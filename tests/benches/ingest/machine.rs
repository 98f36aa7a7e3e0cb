//! Medians and memory.

/// Of an odd number of rounds.
#[derive(Debug, Default)]
pub(crate) struct Median(Vec<f64>);

impl Median {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    pub(crate) fn get(&self) -> f64 {
        self.0[self.0.len() / 2]
    }
}

/// The most memory that a process has held (`VmHWM`).
pub(crate) fn peak_memory_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    let kib: f64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(f64::NAN);
    kib / 1024.0
}

/// The most that a child which has been waited for has held; the verifier is the largest that ran
/// to its end by then, the load generator aside.
pub(crate) fn children_peak_memory_mib() -> Result<f64, nix::Error> {
    use nix::sys::resource::{UsageWho, getrusage};
    Ok(getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() as f64 / 1024.0)
}
