//! Processes: the binary on a folder of its own, what runs below it, and waiting with a deadline.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a command may take that is to end by itself.
const END_SECONDS_MAX: u64 = 60;

/// What a process left.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("exhibit-it-").tempdir().unwrap()
}

/// The binary with a clean environment, on a folder.
pub fn exhibit_in(data: &Path) -> Command {
    let mut command = Command::new(tests::exhibit());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EXHIBIT_")) {
        command.env_remove(name);
    }
    command.env_remove("DATABASE_URL").env("EXHIBIT_DATA", data).stdin(Stdio::null());
    command
}

/// `exhibit serve` on a folder, on any free port.
pub fn serve_in(data: &Path) -> Command {
    let mut command = exhibit_in(data);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command
}

/// A server that the harness does not start: in production, or as somebody else.
pub struct Serving {
    child: Child,
    /// What it has printed; the last line names the address.
    pub printed: Vec<String>,
    pub url: String,
}

impl Serving {
    /// Starts it and waits until it listens.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut printed = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            printed.push(line.unwrap());
            if let Some(url) = printed.last().and_then(|line| line.strip_prefix("listening on ")) {
                return Self { child, url: url.to_owned(), printed };
            }
        }
        panic!("the server did not start: {:?}", child.wait_with_output().unwrap());
    }

    /// Stops it as a service manager would.
    pub fn stop(mut self) {
        self.terminate();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }

    fn terminate(&self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.terminate();
            let _ = self.child.wait();
        }
    }
}

/// Runs a command that ends by itself.
pub fn run(command: &mut Command) -> Ended {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait(child)
}

/// Waits for the end of a process; one that goes on is killed, and fails the test.
fn wait(mut child: Child) -> Ended {
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (out, err) = (read_aside(out), read_aside(err));
    let deadline = Instant::now() + Duration::from_secs(END_SECONDS_MAX);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it goes on: {}{}", out.join().unwrap(), err.join().unwrap());
        }
        std::thread::sleep(PAUSE);
    };
    Ended { code: status.code(), stdout: out.join().unwrap(), stderr: err.join().unwrap() }
}

fn read_aside(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

/// Looks again and again until it holds.
pub async fn eventually(what: &str, seconds: u64, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {seconds} s: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The state of a process, as a letter (proc(5)); nothing for one that is gone.
pub fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next())
}

/// Whether a process runs; one that only waits to be reaped does not.
pub fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// The children of a process that have this name.
pub fn children(pid: u32, name: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let list = task.unwrap().path().join("children");
        let list = std::fs::read_to_string(list).unwrap_or_default();
        let children = list.split_whitespace().map(|child| child.parse::<u32>().unwrap());
        found.extend(children.filter(|child| {
            let comm = std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            comm.trim_end() == name
        }));
    }
    found
}

/// `kill -9` of a process that a test's own server has started.
pub fn kill_9(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}
