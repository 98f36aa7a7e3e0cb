//! What can go wrong with the private PostgreSQL, in words for the person at the terminal.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

/// Why the private PostgreSQL could not be found, made, started or reached.
///
/// Each message is one line, but for [`Self::Exited`] and [`Self::NotReady`], which carry the last
/// lines of `postgres.log`. None of them leaves a server running, and none deletes a cluster.
#[derive(Debug, thiserror::Error)]
pub enum PrivatePostgresError {
    /// No folder with `postgres` and `initdb` on this system; `hint` says how to get them here.
    #[error(
        "no PostgreSQL here: {hint}; or set EXHIBIT_POSTGRES_BIN to its bin folder, or DATABASE_URL"
    )]
    NoBinaries {
        /// The command that installs PostgreSQL on this system.
        hint: String,
    },
    /// The folder that `EXHIBIT_POSTGRES_BIN` names lacks the programs.
    #[error("no `postgres` and `initdb` in {} (EXHIBIT_POSTGRES_BIN)", .0.display())]
    BadBinDir(PathBuf),
    /// The cluster is of another major version than any PostgreSQL found. Nothing was changed.
    #[error(
        "the database in {} was made by PostgreSQL {cluster_major}, but only PostgreSQL {found} was found: install {cluster_major}, or set EXHIBIT_POSTGRES_BIN to its bin folder (nothing was changed)",
        .cluster.display()
    )]
    OtherVersion {
        /// The cluster's folder.
        cluster: PathBuf,
        /// What its `PG_VERSION` says.
        cluster_major: String,
        /// Major versions that were found, newest preference first, with commas between.
        found: String,
    },
    /// `start` was called from a thread whose end would stop the server.
    #[error(
        "the private PostgreSQL must be started from the main thread: it stops when the thread that started it ends"
    )]
    NotMainThread,
    /// Running as root, and the user that PostgreSQL drops to cannot get at this folder.
    #[error("user {user} (whom PostgreSQL runs as) cannot enter {}", .path.display())]
    NotEnterable {
        /// The first folder on the way that is closed.
        path: PathBuf,
        /// Name or number of the user.
        user: String,
    },
    /// A folder that must be ours belongs to somebody else.
    #[error("{} belongs to uid {owner}, not to uid {expected}: {remedy}", .path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The owner it should have.
        expected: u32,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The place of the cluster is taken by something that is no cluster.
    #[error("{} is not a PostgreSQL cluster and not empty: move it away", .0.display())]
    NotACluster(PathBuf),
    /// `postgres.location` points to a cluster that is gone; an empty one must not replace it.
    #[error("{} says that the database is in {}, but there is none: bring it back, or remove that file to begin with an empty database", .file.display(), .cluster.display())]
    LocationLost {
        /// The file that names the place.
        file: PathBuf,
        /// The cluster that is missing.
        cluster: PathBuf,
    },
    /// `initdb` cannot work for a uid without a passwd entry, and no way around it was open.
    #[error(
        "uid {uid} has no passwd entry, which initdb needs: install libnss-wrapper, or allow user namespaces, or set DATABASE_URL ({detail})"
    )]
    NoPasswdEntry {
        /// The uid that exhibit runs as.
        uid: u32,
        /// What each attempt said.
        detail: String,
    },
    /// `initdb` failed; its temporary folder was removed.
    #[error("initdb failed: {0}")]
    Init(String),
    /// The server ended before it accepted connections.
    #[error("PostgreSQL ended at start ({status}); its last lines:\n{log_tail}")]
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// The last lines it wrote.
        log_tail: String,
    },
    /// The server did not accept connections in time and was stopped.
    #[error(
        "PostgreSQL was not ready after {seconds} s and was stopped; its last lines:\n{log_tail}"
    )]
    NotReady {
        /// How long it had, in seconds.
        seconds: u64,
        /// The last lines it wrote.
        log_tail: String,
    },
    /// A server of an earlier run holds the cluster and does not stop.
    #[error("an earlier PostgreSQL (pid {pid}) on {} does not stop", .cluster.display())]
    StillRunning {
        /// Its process.
        pid: i32,
        /// The cluster's folder.
        cluster: PathBuf,
    },
    /// No private PostgreSQL is up for this data folder.
    #[error("no private PostgreSQL is running for {}", .0.display())]
    NotRunning(PathBuf),
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// A verb phrase: "create", "read".
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Says what was attempted, and on which path, when an I/O operation fails.
pub(super) trait Context<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, PrivatePostgresError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, PrivatePostgresError> {
        self.map_err(|error| PrivatePostgresError::Io {
            action,
            path: path.to_owned(),
            source: error.into(),
        })
    }
}
