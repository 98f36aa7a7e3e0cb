//! How to reach the server. Owns the file `postgres.endpoint` in the data folder.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::ErrorKind,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use super::{
    error::{Context, PrivatePostgresError as Error},
    folders,
};

/// The server listens on no TCP port; this number is but a part of its socket's name.
pub(super) const PORT: u16 = 5432;

/// Where the server is, as libpq says it: the socket is `<socket_dir>/.s.PGSQL.<port>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The folder that holds the socket (libpq's `host`). Only the server's user and root can
    /// enter.
    pub socket_dir: PathBuf,
    /// A part of the socket's name (libpq's `port`); no TCP port.
    pub port: u16,
}

impl Endpoint {
    /// The endpoint of the server that another exhibit process runs for this data folder.
    ///
    /// The file may be one that a killed process left, so the socket is tried.
    ///
    /// # Errors
    /// `NotRunning` when there is none or it does not answer; `Io` when it is of another user.
    pub fn of_running(data_dir: &Path) -> Result<Self, Error> {
        let down = || Error::NotRunning(data_dir.to_owned());
        let bytes = fs::read(file(data_dir)).map_err(|_| down())?;
        let endpoint = Self::decode(&bytes).ok_or_else(down)?;
        let socket = endpoint.socket();
        match UnixStream::connect(&socket) {
            Ok(_) => Ok(endpoint),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Err(error).context("reach (it is another user's)", &socket)
            }
            Err(_) => Err(down()),
        }
    }

    /// Tells other processes; the server is ready by then.
    pub(super) fn announce(&self, data_dir: &Path) -> Result<(), Error> {
        folders::write_whole(&file(data_dir), &self.encode())
    }

    /// Takes the announcement back, before the server stops.
    pub(super) fn withdraw(data_dir: &Path) {
        // When it stays, it names a socket that does not answer: see `of_running`.
        let _ = fs::remove_file(file(data_dir));
    }

    pub(super) fn socket(&self) -> PathBuf {
        socket_file(&self.socket_dir, self.port)
    }

    /// Removes the socket and its lock file, when no server is up: the process number in a stale
    /// lock may by now be that of somebody else, for whom PostgreSQL would refuse to start. Also, a
    /// socket that is there after this is that of the new server.
    pub(super) fn clear(&self) -> Result<(), Error> {
        let socket = self.socket();
        let mut lock = socket.clone().into_os_string();
        lock.push(".lock");
        for stale in [socket, lock.into()] {
            match fs::remove_file(&stale) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).context("remove", &stale);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = format!("{}\n", self.port).into_bytes();
        bytes.extend_from_slice(self.socket_dir.as_os_str().as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let port = OsStr::from_bytes(&bytes[..end]).to_str()?.parse().ok()?;
        let socket_dir = PathBuf::from(OsString::from_vec(bytes[end + 1..].to_vec()));
        socket_dir.is_absolute().then_some(Self { socket_dir, port })
    }
}

pub(super) fn socket_file(socket_dir: &Path, port: u16) -> PathBuf {
    socket_dir.join(format!(".s.PGSQL.{port}"))
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("postgres.endpoint")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_survives_the_file() {
        let socket_dir = PathBuf::from(OsString::from_vec(b"/with space/\xff/and\nline".to_vec()));
        let endpoint = Endpoint { socket_dir, port: 5432 };
        assert_eq!(Endpoint::decode(&endpoint.encode()), Some(endpoint));
    }

    #[test]
    fn a_file_that_makes_no_sense_is_no_endpoint() {
        for bytes in [&b""[..], b"5432", b"5432\n", b"x\n/tmp", b"99999\n/tmp", b"1\nrelative"] {
            assert_eq!(Endpoint::decode(bytes), None);
        }
    }

    #[test]
    fn without_a_server_there_is_no_endpoint() {
        let none = Endpoint::of_running(Path::new("/nonexistent"));
        assert!(matches!(none, Err(Error::NotRunning(_))));
    }
}
