//! The few steps between `fork` and PostgreSQL, in a fresh process of our own.
//!
//! `Command::pre_exec` would be unsafe code. So exhibit starts itself again with a hidden verb;
//! that child has one thread, gives up its rights, binds its life to its parent and becomes the
//! program.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::unistd::{Gid, Uid};

/// The hidden first argument of the executable: `exhibit __postgres-launch <spec…> -- <program…>`.
pub const LAUNCH_VERB: &str = "__postgres-launch";

/// Exit status of a launcher that could not become its program; it says why on stderr.
const LAUNCH_FAILED: i32 = 111;

/// What the child does before it becomes `program`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Launch {
    /// Who started it: when that process is gone, so is the reason to run.
    pub parent: u32,
    /// The uid and gid to become; only root can.
    pub become_user: Option<(u32, u32)>,
    /// The uid and gid to pass for, in a user namespace of its own.
    pub pass_for: Option<(u32, u32)>,
    /// `KEY=value` for the program alone (`LD_PRELOAD` must not hit the launcher).
    pub environment: Vec<OsString>,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
}

impl Launch {
    /// The command that runs `launcher` to these ends, in `/` and with a bare environment: a
    /// foreign `HOME`, `PG*` or `LANG` variable breaks PostgreSQL's start.
    pub(super) fn command(&self, launcher: &Path) -> Command {
        let mut command = Command::new(launcher);
        command
            .arg(LAUNCH_VERB)
            .args(self.encode())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()))
            .env("LC_ALL", if cfg!(target_os = "linux") { "C.UTF-8" } else { "C" })
            .env("TZ", "UTC")
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }

    fn encode(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![format!("parent={}", self.parent).into()];
        words.extend(self.become_user.map(|(uid, gid)| format!("become={uid}:{gid}").into()));
        words.extend(self.pass_for.map(|(uid, gid)| format!("pass-for={uid}:{gid}").into()));
        for variable in &self.environment {
            let mut word = OsString::from("env=");
            word.push(variable);
            words.push(word);
        }
        words.push("--".into());
        words.push(self.program.clone().into());
        words.extend(self.arguments.iter().cloned());
        words
    }

    fn decode(words: &[OsString]) -> Option<Self> {
        let end = words.iter().position(|word| word == "--")?;
        let (program, arguments) = words[end + 1..].split_first()?;
        let mut launch = Self {
            parent: 0,
            become_user: None,
            pass_for: None,
            environment: Vec::new(),
            program: program.into(),
            arguments: arguments.to_vec(),
        };
        for word in &words[..end] {
            let bytes = word.as_bytes();
            let equals = bytes.iter().position(|byte| *byte == b'=')?;
            let value = OsStr::from_bytes(&bytes[equals + 1..]);
            match &bytes[..equals] {
                b"parent" => launch.parent = value.to_str()?.parse().ok()?,
                b"become" => launch.become_user = Some(pair(value)?),
                b"pass-for" => launch.pass_for = Some(pair(value)?),
                b"env" => launch.environment.push(value.to_owned()),
                _ => return None,
            }
        }
        (launch.parent != 0).then_some(launch)
    }

    /// Never returns when all goes well: the process is PostgreSQL then.
    fn execute(&self) -> io::Error {
        if let Err(error) = self.prepare() {
            return error;
        }
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        for variable in &self.environment {
            let bytes = variable.as_bytes();
            let equals = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
            let value = bytes.get(equals + 1..).unwrap_or_default();
            command.env(OsStr::from_bytes(&bytes[..equals]), OsString::from_vec(value.to_vec()));
        }
        said("run PostgreSQL", command.exec())
    }

    fn prepare(&self) -> io::Result<()> {
        // A session of its own: Ctrl-C in the terminal is for exhibit, which stops the server when
        // its own work is done.
        nix::unistd::setsid().map_err(|error| said("begin a session", error))?;
        if let Some((uid, gid)) = self.become_user {
            become_user(uid, gid)?;
        }
        if let Some((uid, gid)) = self.pass_for {
            pass_for(uid, gid)?;
        }
        die_with_parent(self.parent)
    }
}

/// Runs the hidden verb: `args` are the words behind [`LAUNCH_VERB`].
///
/// Call it first in `main`, before any thread exists: a user namespace can only be entered by a
/// process of one thread. When it fails, the reason is one line on stderr, which the parent reads
/// (from `initdb`) or which is in `postgres.log`, and the exit status is 111.
pub fn run_launcher(args: &[OsString]) -> ! {
    let error = Launch::decode(args)
        .map_or_else(|| io::Error::other("malformed launch words"), |launch| launch.execute());
    eprintln!("exhibit {LAUNCH_VERB}: {error}");
    std::process::exit(LAUNCH_FAILED);
}

/// Groups, then gid, then uid: after the uid is gone the others cannot be changed.
fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    #[cfg(not(target_vendor = "apple"))]
    nix::unistd::setgroups(&[gid]).map_err(|error| said("leave root's groups", error))?;
    nix::unistd::setgid(gid).map_err(|error| said("change the group", error))?;
    nix::unistd::setuid(uid).map_err(|error| said("change the user", error))
}

/// Inside the namespace our uid has the number of somebody with a passwd entry, so that `initdb`
/// finds a name; outside, for files and signals, nothing changes.
#[cfg(target_os = "linux")]
fn pass_for(uid: u32, gid: u32) -> io::Result<()> {
    use std::fs::write;
    let outer = (nix::unistd::geteuid(), nix::unistd::getegid());
    let refused = |error: io::Error| said("use a user namespace", error);
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER)
        .map_err(|error| refused(error.into()))?;
    // The kernel wants this before an unprivileged process may write its gid_map.
    write("/proc/self/setgroups", "deny").map_err(refused)?;
    write("/proc/self/uid_map", format!("{uid} {} 1", outer.0)).map_err(refused)?;
    write("/proc/self/gid_map", format!("{gid} {} 1", outer.1)).map_err(refused)
}

#[cfg(not(target_os = "linux"))]
fn pass_for(_uid: u32, _gid: u32) -> io::Result<()> {
    Err(io::Error::other("no user namespaces on this system"))
}

/// The kernel sends SIGINT (PostgreSQL's fast shutdown) when the parent thread ends, even by
/// `kill -9`. Must come after every change of credentials, which clears it.
#[cfg(target_os = "linux")]
fn die_with_parent(parent: u32) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGINT)
        .map_err(|error| said("bind to the parent", error))?;
    // The parent may have died before the request: then nobody sends the signal.
    if u32::try_from(nix::unistd::getppid().as_raw()) == Ok(parent) {
        Ok(())
    } else {
        Err(io::Error::other("exhibit ended before PostgreSQL began"))
    }
}

/// Elsewhere a killed exhibit leaves the server behind; the next start stops it.
#[cfg(not(target_os = "linux"))]
fn die_with_parent(_parent: u32) -> io::Result<()> {
    Ok(())
}

fn pair(value: &OsStr) -> Option<(u32, u32)> {
    let (uid, gid) = value.to_str()?.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

fn said(action: &str, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("cannot {action}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_child_reads_what_the_parent_wrote() {
        let launch = Launch {
            parent: 42,
            become_user: Some((101, 104)),
            pass_for: Some((65534, 65534)),
            environment: vec!["LD_PRELOAD=/a=b/libnss_wrapper.so".into()],
            program: "/bin/postgres".into(),
            arguments: vec!["-D".into(), OsString::from_vec(vec![0xff, b'-']), "--".into()],
        };
        assert_eq!(Launch::decode(&launch.encode()), Some(launch));
    }

    #[test]
    fn malformed_words_are_refused() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(Launch::decode(&words("parent=42 -- x")).map(|launch| launch.parent), Some(42));
        for text in ["parent=42", "parent=42 --", "become=1:1 -- x", "parent=1 new=2 -- x"] {
            assert_eq!(Launch::decode(&words(text)), None, "{text}");
        }
    }
}
