//! The server's process: its settings, its start, its readiness, its end.
//!
//! The `Child` handed out belongs to the caller, who must call [`stop`] for it.

use std::{
    ffi::OsString,
    fs,
    io::{Read, Seek, SeekFrom},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
    process::{Child, ExitStatus},
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    endpoint::Endpoint,
    error::{Context, PrivatePostgresError as Error},
    launcher::Launch,
    places::Places,
    remains::{self, PidFile},
};

/// How long a start may take. Recovery after a crash reads up to `max_wal_size` of log.
const READY_SECONDS_MAX: u64 = 60;

/// How long orphaned backends get to let go of the shared memory.
const ORPHANS_SECONDS_MAX: u64 = 5;

/// What `stop` waits for each of its signals, weakest first. SIGINT disconnects the clients and
/// writes a checkpoint; SIGQUIT leaves the log to the next start; SIGKILL is for a server that
/// hangs.
const STOP: [(Signal, Duration); 3] = [
    (Signal::SIGINT, Duration::from_secs(10)),
    (Signal::SIGQUIT, Duration::from_secs(5)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];

const PAUSE: Duration = Duration::from_millis(5);

/// Of the log, what an error shows.
const TAIL_LINES_MAX: usize = 10;
const TAIL_BYTES_MAX: u64 = 4096;

/// Given on the command line, so that no file in the cluster overrides them.
const SETTINGS: [&str; 12] = [
    "listen_addresses=",
    "fsync=on",
    "synchronous_commit=on",
    "shared_buffers=256MB",
    "wal_buffers=16MB",
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
    "max_connections=100",
    "jit=off",
    "logging_collector=off",
    "log_min_messages=warning",
    "cluster_name=exhibit",
];

/// The launch of the server itself, on a cluster that is ready.
pub(super) fn launch(places: &Places, bin: &Path, endpoint: &Endpoint) -> Launch {
    let mut arguments: Vec<OsString> = vec!["-D".into(), places.cluster.clone().into()];
    let mut sockets = OsString::from("unix_socket_directories=");
    sockets.push(quoted(&endpoint.socket_dir));
    let all = [sockets, format!("port={}", endpoint.port).into()]
        .into_iter()
        .chain(SETTINGS.map(OsString::from));
    for setting in all {
        arguments.push("-c".into());
        arguments.push(setting);
    }
    Launch {
        parent: std::process::id(),
        become_user: places.user.dropped.then_some((places.user.uid, places.user.gid)),
        // The server starts without a passwd entry; only `initdb` asks for one.
        pass_for: None,
        environment: Vec::new(),
        program: bin.join("postgres"),
        arguments,
    }
}

/// The setting is a list of paths: quotes keep commas and spaces within ours.
fn quoted(path: &Path) -> OsString {
    let mut bytes = vec![b'"'];
    for byte in path.as_os_str().as_bytes() {
        if *byte == b'"' {
            bytes.push(b'"');
        }
        bytes.push(*byte);
    }
    bytes.push(b'"');
    OsString::from_vec(bytes)
}

/// Starts the server; again while backends of a killed one hold the shared memory.
pub(super) fn start(
    places: &Places,
    endpoint: &Endpoint,
    launch: &Launch,
    launcher: &Path,
) -> Result<Child, Error> {
    let begin = Instant::now();
    loop {
        remains::clear(&places.cluster)?;
        endpoint.clear()?;
        let (log, log_start) = places.open_log()?;
        let errors = log.try_clone().context("open", &places.log)?;
        let mut child =
            launch.command(launcher).stdout(log).stderr(errors).spawn().context("run", launcher)?;
        let outcome = wait_until_ready(&mut child, &places.cluster, endpoint);
        let log_tail = || tail(&places.log, log_start);
        match outcome {
            Readiness::Ready => return Ok(child),
            Readiness::TimedOut => {
                stop(&mut child);
                return Err(Error::NotReady { seconds: READY_SECONDS_MAX, log_tail: log_tail() });
            }
            Readiness::Exited(status) => {
                let log_tail = log_tail();
                let waited = begin.elapsed().as_secs();
                if !log_tail.contains("pre-existing shared memory block")
                    || waited >= ORPHANS_SECONDS_MAX
                {
                    return Err(Error::Exited { status, log_tail });
                }
                // Idle backends notice within milliseconds that their postmaster is gone.
                if waited >= 1 {
                    remains::quit_orphans(&places.cluster);
                }
                sleep(20 * PAUSE);
            }
        }
    }
}

enum Readiness {
    Ready,
    Exited(ExitStatus),
    TimedOut,
}

fn wait_until_ready(child: &mut Child, cluster: &Path, endpoint: &Endpoint) -> Readiness {
    let begin = Instant::now();
    let socket = endpoint.socket();
    while begin.elapsed().as_secs() < READY_SECONDS_MAX {
        if let Ok(Some(status)) = child.try_wait() {
            return Readiness::Exited(status);
        }
        // The socket first: it was removed before, and the server makes it after it has written
        // its own `postmaster.pid`. So the file cannot be a stale one with, by chance, our number.
        let is_ready = socket.exists()
            && PidFile::read(cluster)
                .is_some_and(|file| file.ready && file.pid == pid_of(child).as_raw());
        if is_ready {
            return Readiness::Ready;
        }
        sleep(PAUSE);
    }
    Readiness::TimedOut
}

/// Ends the child and takes its exit status, so that no zombie stays.
pub(super) fn stop(child: &mut Child) {
    for (signal, patience) in STOP {
        let begin = Instant::now();
        // Until `try_wait` has reaped it the number is still the child's, so no stranger is hit.
        if matches!(child.try_wait(), Ok(None)) {
            let _ = kill(pid_of(child), signal);
        }
        while matches!(child.try_wait(), Ok(None)) && begin.elapsed() < patience {
            sleep(PAUSE);
        }
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        tracing::warn!(?signal, "PostgreSQL did not stop in time");
    }
}

/// Process numbers are below 2²² on Linux, and fit everywhere.
pub(super) fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

/// The last lines that were written behind `start` (a length in bytes).
fn tail(log: &Path, start: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(log)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(start.max(end.saturating_sub(TAIL_BYTES_MAX))))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    last_lines(&String::from_utf8_lossy(&read().unwrap_or_default()))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES_MAX)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_folder_may_have_any_name() {
        assert_eq!(quoted(Path::new("/a, b/\"c")), "\"/a, b/\"\"c\"");
    }

    #[test]
    fn an_error_shows_the_end_of_the_log() {
        let text = (1..=20).map(|number| format!("line {number}")).collect::<Vec<_>>().join("\n");
        let shown = last_lines(&text);
        assert!(shown.starts_with("line 11\n") && shown.ends_with("line 20"));
        assert_eq!(last_lines(""), "");
    }
}
