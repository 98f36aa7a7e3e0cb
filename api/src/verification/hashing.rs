//! Counts and hashes what is read through it.

use std::io::{self, Read};

use domain::hash::Hash;
use sha2::{Digest, Sha256};

pub(crate) struct Hashing<R> {
    inner: R,
    hasher: Sha256,
    bytes: u64,
    /// A reader may be asked again after an error; what it says then is not the file.
    failed: Option<io::Error>,
}

impl<R: Read> Hashing<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hasher: Sha256::new(), bytes: 0, failed: None }
    }

    /// Size and hash of all that was read, unless reading has failed.
    pub(crate) fn finish(self) -> io::Result<(u64, Hash)> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok((self.bytes, Hash(self.hasher.finalize().into()))),
        }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed.is_some() {
            return Ok(0);
        }
        match self.inner.read(buffer) {
            Ok(read) => {
                self.hasher.update(&buffer[..read]);
                self.bytes += read as u64;
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                // Whoever reads sees the end; the fault is told with the hash.
                self.failed = Some(error);
                Ok(0)
            }
        }
    }
}
