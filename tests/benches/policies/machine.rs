//! Medians, quantiles, and what processes have used of the cores.

use std::time::{Duration, Instant};

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

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(200);
/// Calls between two looks at the clock.
const CALLS: usize = 64;

/// What one call takes, in nanoseconds: the median of rounds. The call is given its number.
pub(crate) fn call_ns(mut call: impl FnMut(usize)) -> f64 {
    let mut median = Median::default();
    for round in 0..=ROUNDS {
        let began = Instant::now();
        let mut calls = 0;
        while began.elapsed() < ROUND {
            for _ in 0..CALLS {
                call(calls);
                calls += 1;
            }
        }
        // The first is for caches and predictors.
        if round > 0 {
            median.add(began.elapsed().as_nanos() as f64 / calls as f64);
        }
    }
    median.get()
}

/// Of the last minute, five and fifteen: what else the machine had to do shows in the numbers.
pub(crate) fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Seconds of a core that a process, and all that it has started, have used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// The process alone.
    pub(crate) own: f64,
    /// The processes that it has started, and those that they have.
    pub(crate) others: f64,
}

impl Used {
    pub(crate) fn by(pid: u32) -> Self {
        let all: Vec<Stat> = std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(Stat::of)
            .collect();
        let mut used = Self { own: 0.0, others: 0.0 };
        let mut family = vec![pid];
        while let Some(one) = family.pop() {
            family.extend(all.iter().filter(|stat| stat.parent == one).map(|stat| stat.pid));
            let Some(stat) = all.iter().find(|stat| stat.pid == one) else { continue };
            if one == pid {
                used.own += stat.seconds;
            } else {
                used.others += stat.seconds + stat.ended_children_seconds;
            }
        }
        used
    }
}

struct Stat {
    pid: u32,
    parent: u32,
    /// User's and system's.
    seconds: f64,
    ended_children_seconds: f64,
}

impl Stat {
    /// A process that is gone meanwhile has none.
    fn of(pid: u32) -> Option<Self> {
        /// Linux shows hundredths whatever it counts in.
        const TICKS: f64 = 100.0;
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before may hold anything.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            seconds: (ticks(11)? + ticks(12)?) / TICKS,
            ended_children_seconds: (ticks(13)? + ticks(14)?) / TICKS,
        })
    }
}
