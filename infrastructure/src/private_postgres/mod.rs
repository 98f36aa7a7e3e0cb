//! The private PostgreSQL: found, made, started, watched and stopped by exhibit when no
//! `DATABASE_URL` is set.
//!
//! Synchronous, and called from `main` before any runtime exists. The caller holds exhibit's lock
//! on the data folder from before [`PrivatePostgres::start`] until after [`PrivatePostgres::stop`];
//! nothing here keeps two exhibits apart.
//!
//! What a crash leaves: after `kill -9` of exhibit the kernel sends the server SIGINT, and it shuts
//! down; the next start waits for that. After `kill -9` of the server the next start recovers from
//! the write-ahead log. Half a cluster is never left.

mod binaries;
mod cluster;
mod endpoint;
mod error;
mod folders;
mod identity;
mod launcher;
mod places;
mod remains;
mod server;

use std::{
    path::PathBuf,
    process::{Child, ExitStatus},
};

pub use self::{
    binaries::find_binaries,
    cluster::OWNER_ROLE,
    endpoint::Endpoint,
    error::PrivatePostgresError,
    launcher::{LAUNCH_VERB, run_launcher},
};
use self::{error::PrivatePostgresError as Error, places::Places};

/// What a start needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// Exhibit's data folder; made when missing. The cluster is its `postgres/`.
    pub data_dir: PathBuf,
    /// `EXHIBIT_POSTGRES_BIN`: the only folder looked in, when given.
    pub bin_dir: Option<PathBuf>,
    /// Exhibit's own executable, which calls [`run_launcher`] for [`LAUNCH_VERB`]. On Linux
    /// `/proc/self/exe` works even after an update replaced the file.
    pub launcher: PathBuf,
}

/// A running server that this process owns. Dropping it stops it.
#[derive(Debug)]
pub struct PrivatePostgres {
    child: Child,
    endpoint: Endpoint,
    data_dir: PathBuf,
}

impl PrivatePostgres {
    /// Finds PostgreSQL, makes the cluster when there is none, stops what an earlier run left,
    /// starts the server and waits (60 s at most) until it accepts connections as [`OWNER_ROLE`].
    ///
    /// Must be called from the main thread: the kernel ties the server's life to the *thread* that
    /// started it, so with any other one the server would stop when that thread ends.
    ///
    /// # Errors
    /// See [`PrivatePostgresError`]; none leaves a server of ours running.
    pub fn start(options: &Options) -> Result<Self, PrivatePostgresError> {
        #[cfg(target_os = "linux")]
        if nix::unistd::gettid() != nix::unistd::getpid() {
            return Err(Error::NotMainThread);
        }
        let places = Places::settle(&options.data_dir)?;
        let bin_dir = options.bin_dir.as_deref();
        let (bin, is_new) = match cluster::major(&places.cluster)? {
            Some(major) => (binaries::of_major(bin_dir, &places.cluster, &major)?, false),
            None => (find_binaries(bin_dir)?, true),
        };
        if let Some(path) = places.user.closed_folder(&bin)? {
            return Err(Error::NotEnterable { path, user: places.user.name.clone() });
        }
        if is_new {
            tracing::info!(cluster = %places.cluster.display(), "making the private PostgreSQL");
            cluster::initialise(&places, &bin, &options.launcher)?;
            places.keep_location()?;
        }
        let endpoint = Endpoint { socket_dir: places.socket_dir()?, port: endpoint::PORT };
        let launch = server::launch(&places, &bin, &endpoint);
        let child = server::start(&places, &endpoint, &launch, &options.launcher)?;
        // From here on Drop stops the server when something fails.
        let postgres = Self { child, endpoint, data_dir: places.data_dir };
        postgres.endpoint.announce(&postgres.data_dir)?;
        tracing::info!(pid = postgres.pid(), bin = %bin.display(), "the private PostgreSQL is ready");
        Ok(postgres)
    }

    /// Where it is reached.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The process number of the postmaster.
    #[must_use]
    pub fn pid(&self) -> i32 {
        server::pid_of(&self.child).as_raw()
    }

    /// How the server ended, if it did; nothing restarts it. Does not block.
    pub fn has_exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Stops the server: a fast shutdown (10 s), then an immediate one (5 s), then SIGKILL. All
    /// that was committed is kept in each case.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        Endpoint::withdraw(&self.data_dir);
        server::stop(&mut self.child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_from_another_thread_is_refused() {
        // Tests run in threads of their own.
        let options = Options {
            data_dir: "/nonexistent/data".into(),
            bin_dir: None,
            launcher: "/nonexistent/exhibit".into(),
        };
        if cfg!(target_os = "linux") {
            assert!(matches!(PrivatePostgres::start(&options), Err(Error::NotMainThread)));
        }
    }
}
