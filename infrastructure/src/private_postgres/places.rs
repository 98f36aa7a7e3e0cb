//! Where the cluster, its socket and its log are. Owns `postgres.location`.
//!
//! Usually all is in the data folder:
//! `postgres/` (cluster), `postgres.socket/`, `postgres.log`, `postgres.endpoint`.
//! When root's server user cannot get there (`/root` is closed), cluster and socket live in a
//! folder below `/var/lib/exhibit`, and `postgres.location` in the data folder names it. That file
//! alone says so: without it a folder there belongs to a data folder that was deleted.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    io::ErrorKind,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::OpenOptionsExt,
    },
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    cluster,
    endpoint::{PORT, socket_file},
    error::{Context, PrivatePostgresError as Error},
    folders::{make_folder, open_way, own_folder, write_whole},
    identity::ServerUser,
};

/// Longest path of a unix socket, in bytes, without the closing zero (`sockaddr_un`).
const SOCKET_PATH_BYTES_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Where clusters go whose data folder the server user cannot enter.
const ELSEWHERE: &str = "/var/lib/exhibit";

/// A log longer than this is set aside at start, as `postgres.log.1`.
const LOG_BYTES_MAX: u64 = 16 << 20;

/// All folders and files of one private PostgreSQL, absolute.
#[derive(Debug)]
pub(super) struct Places {
    pub user: ServerUser,
    pub data_dir: PathBuf,
    /// Holds the cluster and, while it is being made, its temporary folder.
    pub home: PathBuf,
    pub cluster: PathBuf,
    pub log: PathBuf,
}

impl Places {
    /// Finds the places of this data folder, and makes the folders that hold them. A crash after
    /// this leaves empty folders, which the next start uses.
    pub(super) fn settle(data_dir: &Path) -> Result<Self, Error> {
        let root = nix::unistd::geteuid().is_root();
        let absolute = std::path::absolute(data_dir).context("resolve", data_dir)?;
        // When root, others must pass through to the cluster; secrets have closed folders of their
        // own.
        make_folder(&absolute, if root { 0o711 } else { 0o700 })?;
        let data_dir = fs::canonicalize(&absolute).context("resolve", &absolute)?;

        let (user, home) = if let Some(home) = read_location(&data_dir)? {
            let moved = cluster::folder(&home);
            if cluster::major(&moved)?.is_none() {
                return Err(Error::LocationLost { file: location_file(&data_dir), cluster: moved });
            }
            (ServerUser::owning(&moved)?, home)
        } else if cluster::major(&cluster::folder(&data_dir))?.is_some() {
            let user = ServerUser::owning(&cluster::folder(&data_dir))?;
            open_way(&data_dir, &user)?;
            (user, data_dir.clone())
        } else {
            let user = ServerUser::choose();
            let home = new_home(&data_dir, &user)?;
            (user, home)
        };
        let (cluster, log) = (cluster::folder(&home), data_dir.join("postgres.log"));
        Ok(Self { user, data_dir, home, cluster, log })
    }

    /// Notes where the cluster is, once there is one. Before that nothing is lost by forgetting.
    pub(super) fn keep_location(&self) -> Result<(), Error> {
        if self.home == self.data_dir {
            return Ok(());
        }
        let file = location_file(&self.data_dir);
        write_whole(&file, self.home.as_os_str().as_bytes())
    }

    /// The folder of the socket, mode 0700 and owned by the server's user: it is the only door to
    /// the cluster, which trusts whoever comes through.
    pub(super) fn socket_dir(&self) -> Result<PathBuf, Error> {
        let folder = choose_socket_dir(&self.home, SOCKET_PATH_BYTES_MAX);
        own_folder(&folder, &self.user)?;
        Ok(folder)
    }

    /// The log, open for appending, and its length in bytes so far. Opened here because the
    /// server's user may not create files in the data folder.
    pub(super) fn open_log(&self) -> Result<(fs::File, u64), Error> {
        let length = fs::metadata(&self.log).map_or(0, |file| file.len());
        if length > LOG_BYTES_MAX {
            let old = self.log.with_extension("log.1");
            fs::rename(&self.log, old).context("set aside", &self.log)?;
        }
        let log = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.log)
            .context("open", &self.log)?;
        let length = log.metadata().context("look at", &self.log)?.len();
        Ok((log, length))
    }
}

/// Where a new cluster goes: the data folder, or a folder elsewhere when the way there is closed.
fn new_home(data_dir: &Path, user: &ServerUser) -> Result<PathBuf, Error> {
    match open_way(data_dir, user) {
        Ok(()) => return Ok(data_dir.to_owned()),
        Err(Error::NotEnterable { .. }) => {}
        Err(error) => return Err(error),
    }
    make_folder(Path::new(ELSEWHERE), 0o711)?;
    open_way(Path::new(ELSEWHERE), user)?;
    let name = path_hash(data_dir);
    for number in 1_u32.. {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let home = Path::new(ELSEWHERE).join(format!("{name}{suffix}"));
        // A cluster here is that of a data folder which was deleted: keep it, take the next name.
        if cluster::major(&cluster::folder(&home))?.is_none() {
            own_folder(&home, user)?;
            tracing::info!(home = %home.display(), "the database lives outside the closed data folder");
            return Ok(home);
        }
        tracing::warn!(home = %home.display(), "a database here is of a deleted data folder");
    }
    unreachable!("the numbers do not end before the disk does")
}

fn location_file(data_dir: &Path) -> PathBuf {
    data_dir.join("postgres.location")
}

fn read_location(data_dir: &Path) -> Result<Option<PathBuf>, Error> {
    let file = location_file(data_dir);
    match fs::read(&file) {
        Ok(bytes) => Ok(Some(OsString::from_vec(bytes.trim_ascii_end().to_vec()).into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("read", &file),
    }
}

/// Beside the cluster, or in `/tmp` when that path is too long for a socket's address.
fn choose_socket_dir(home: &Path, bytes_max: usize) -> PathBuf {
    let beside = home.join("postgres.socket");
    if socket_file(&beside, PORT).as_os_str().len() <= bytes_max {
        beside
    } else {
        Path::new("/tmp").join(format!("exhibit-{}", path_hash(home)))
    }
}

/// Twelve hex digits: a name for a path that is short, and the same in each run.
fn path_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_bytes());
    digest.iter().take(6).fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_beside_the_cluster_as_long_as_its_path_fits() {
        let fits = PathBuf::from(format!(
            "/{}",
            "d".repeat(107 - 1 - "/postgres.socket/.s.PGSQL.5432".len())
        ));
        assert_eq!(choose_socket_dir(&fits, 107), fits.join("postgres.socket"));

        let long = PathBuf::from(format!("{}x", fits.display()));
        let short = choose_socket_dir(&long, 107);
        assert_eq!(short, choose_socket_dir(&long, 107), "the same in each run");
        assert_ne!(short, choose_socket_dir(Path::new(&"/d".repeat(99)), 107));
        assert!(short.to_str().unwrap().starts_with("/tmp/exhibit-"));
        assert_eq!(short.as_os_str().len(), "/tmp/exhibit-".len() + 12);
    }

    #[test]
    fn the_hash_of_a_path_never_changes() {
        // `printf %s /var/data | sha256sum`; clusters are found again by this name.
        assert_eq!(path_hash(Path::new("/var/data")), "df453e3f032d");
    }
}
