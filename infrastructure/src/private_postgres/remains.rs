//! What an earlier run left: a server that still runs, a stale `postmaster.pid`, orphaned backends.
//!
//! Nothing is signalled that is not verifiably a PostgreSQL on this very cluster.

use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::error::{Context, PrivatePostgresError as Error};

/// A fast shutdown writes a checkpoint, which takes a while on a slow disk.
const FAST_SECONDS: u64 = 30;

/// What an immediate shutdown gets after that; the next start recovers from the log.
const IMMEDIATE_SECONDS: u64 = 5;

const PAUSE: Duration = Duration::from_millis(10);

/// The two facts of `postmaster.pid` that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PidFile {
    /// Negative for a single-user backend.
    pub pid: i32,
    /// Accepts connections.
    pub ready: bool,
}

impl PidFile {
    pub(super) fn read(cluster: &Path) -> Option<Self> {
        Self::parse(&String::from_utf8_lossy(&fs::read(cluster.join("postmaster.pid")).ok()?))
    }

    /// First line: the process. Eighth: `starting`, `ready`, `stopping` or `standby`, padded; the
    /// file is written bit by bit, so it may be missing yet.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        Some(Self { pid, ready: lines.nth(6).is_some_and(|status| status.trim() == "ready") })
    }
}

/// Who has the process number of `postmaster.pid` now.
#[derive(Debug, PartialEq, Eq)]
enum Holder {
    Nobody,
    /// A PostgreSQL on this cluster.
    Server,
    /// Surely somebody else: the number was given out again.
    Stranger,
    /// We may not see: leave the decision to PostgreSQL, which is careful.
    Unknown,
}

/// Waits for the server of an earlier run to end, and makes it end. Exhibit's lock on the data
/// folder is held by the caller, so no living exhibit uses that server.
///
/// A crash here leaves at worst a server that is shutting down; the next start waits for it again.
pub(super) fn clear(cluster: &Path) -> Result<(), Error> {
    let begin = Instant::now();
    let mut sent: Option<Signal> = None;
    while let Some(PidFile { pid, .. }) = PidFile::read(cluster).filter(|file| file.pid > 1) {
        match holder(pid, cluster) {
            Holder::Nobody | Holder::Unknown => return Ok(()),
            Holder::Stranger => {
                // PostgreSQL would take the stranger for its server and refuse to start. Its check
                // for shared memory in use, found by the folder's inode, still guards the cluster.
                let file = cluster.join("postmaster.pid");
                tracing::warn!(
                    pid,
                    "postmaster.pid names a process that is no PostgreSQL: removed"
                );
                return fs::remove_file(&file).context("remove", &file);
            }
            Holder::Server => {}
        }
        let waited = begin.elapsed().as_secs();
        if waited > FAST_SECONDS + IMMEDIATE_SECONDS {
            return Err(Error::StillRunning { pid, cluster: cluster.to_owned() });
        }
        let signal = if waited < FAST_SECONDS { Signal::SIGINT } else { Signal::SIGQUIT };
        if sent != Some(signal) {
            tracing::info!(pid, ?signal, "stopping the PostgreSQL of an earlier run");
            // It may have ended since, which is what we want.
            let _ = kill(Pid::from_raw(pid), signal);
            sent = Some(signal);
        }
        sleep(PAUSE);
    }
    Ok(())
}

/// Ends backends whose postmaster was killed: a busy one does not notice, and keeps the shared
/// memory. SIGQUIT is what their postmaster would have sent. Only called when [`clear`] found no
/// living postmaster.
pub(super) fn quit_orphans(cluster: &Path) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if pid > 1 && holder(pid, cluster) == Holder::Server {
            tracing::warn!(pid, "ending a PostgreSQL backend that lost its postmaster");
            let _ = kill(Pid::from_raw(pid), Signal::SIGQUIT);
        }
    }
}

/// Every process of a server has the name `postgres` and works in the cluster's folder.
fn holder(pid: i32, cluster: &Path) -> Holder {
    if kill(Pid::from_raw(pid), None) == Err(nix::errno::Errno::ESRCH) {
        return Holder::Nobody;
    }
    let process = Path::new("/proc").join(pid.to_string());
    let Ok(name) = fs::read_to_string(process.join("comm")) else {
        return holder_by_ps(pid, cluster);
    };
    let is_zombie = fs::read_to_string(process.join("stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim().starts_with('Z')));
    if is_zombie || !matches!(name.trim_end(), "postgres" | "postmaster") {
        return Holder::Stranger;
    }
    match fs::read_link(process.join("cwd")) {
        Ok(folder) if folder == cluster => Holder::Server,
        Ok(_) => Holder::Stranger,
        Err(_) => Holder::Unknown,
    }
}

/// For systems without `/proc`.
fn holder_by_ps(pid: i32, cluster: &Path) -> Holder {
    let output = Command::new("ps").args(["-ww", "-o", "args=", "-p", &pid.to_string()]).output();
    let arguments = output.map(|output| output.stdout).unwrap_or_default();
    let mentions = |needle: &[u8]| arguments.windows(needle.len()).any(|part| part == needle);
    if mentions(b"postgres") && mentions(cluster.as_os_str().as_bytes()) {
        Holder::Server
    } else {
        Holder::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_is_read_in_each_of_its_stages() {
        let early = "4711\n/data/postgres\n1700000000\n5432\n/data/socket\n\n";
        assert_eq!(PidFile::parse(early), Some(PidFile { pid: 4711, ready: false }));
        let starting = format!("{early}  5432001    196608\nstarting\n");
        assert_eq!(PidFile::parse(&starting), Some(PidFile { pid: 4711, ready: false }));
        let ready = format!("{early}  5432001    196608\nready   \n");
        assert_eq!(PidFile::parse(&ready), Some(PidFile { pid: 4711, ready: true }));
        assert_eq!(PidFile::parse("-4711\n/data"), Some(PidFile { pid: -4711, ready: false }));
        assert_eq!(PidFile::parse(""), None);
        assert_eq!(PidFile::parse("x"), None);
    }

    #[test]
    fn a_process_that_is_no_server_is_a_stranger() {
        let own = i32::try_from(std::process::id()).unwrap();
        if cfg!(target_os = "linux") {
            assert_eq!(holder(own, Path::new("/nonexistent")), Holder::Stranger);
        }
        let mut child = Command::new("true").spawn().unwrap();
        let gone = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        assert_eq!(holder(gone, Path::new("/nonexistent")), Holder::Nobody);
    }
}
