//! Whom the server runs as, and what that user may enter. PostgreSQL refuses to run as root.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::unistd::{Gid, Uid, User};

use super::error::{Context, PrivatePostgresError as Error};

/// Users that root drops to, best first. `_postgres` is macOS' name.
const UNPRIVILEGED: [&str; 3] = ["postgres", "_postgres", "nobody"];

/// The user that owns the cluster and runs its processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerUser {
    pub uid: u32,
    pub gid: u32,
    /// For messages: the name, or the number when it has none.
    pub name: String,
    /// True when exhibit is root and its children must become this user.
    pub dropped: bool,
    /// False in containers that run under a random uid; `initdb` needs the entry.
    pub has_passwd_entry: bool,
}

impl ServerUser {
    /// Exhibit's own user, or an unprivileged one when exhibit is root.
    pub(super) fn choose() -> Self {
        let own = nix::unistd::geteuid();
        if !own.is_root() {
            return Self::numbered(own, nix::unistd::getegid(), false);
        }
        let entry = UNPRIVILEGED.iter().find_map(|name| User::from_name(name).ok().flatten());
        // 65534 is `nobody` wherever that entry is missing; root may become it without one.
        let (uid, gid) = entry
            .map_or((Uid::from_raw(65534), Gid::from_raw(65534)), |entry| (entry.uid, entry.gid));
        Self::numbered(uid, gid, true)
    }

    /// The owner of a cluster that exists already: root keeps running it as the user who made it.
    pub(super) fn owning(cluster: &Path) -> Result<Self, Error> {
        let folder = fs::metadata(cluster).context("look at", cluster)?;
        let own = nix::unistd::geteuid();
        if folder.uid() == 0 {
            return Err(Error::Foreign {
                path: cluster.to_owned(),
                owner: 0,
                expected: Self::choose().uid,
                remedy: "PostgreSQL refuses root; chown -R it back",
            });
        }
        if !own.is_root() && folder.uid() != own.as_raw() {
            return Err(Error::Foreign {
                path: cluster.to_owned(),
                owner: folder.uid(),
                expected: own.as_raw(),
                remedy: "run exhibit as the user who made it",
            });
        }
        Ok(Self::numbered(Uid::from_raw(folder.uid()), Gid::from_raw(folder.gid()), own.is_root()))
    }

    fn numbered(uid: Uid, gid: Gid, dropped: bool) -> Self {
        let entry = User::from_uid(uid).ok().flatten();
        Self {
            uid: uid.as_raw(),
            gid: gid.as_raw(),
            has_passwd_entry: entry.is_some(),
            name: entry.map_or_else(|| uid.to_string(), |entry| entry.name),
            dropped,
        }
    }

    /// The first folder from `/` down to `path` that this user cannot enter. Only asked when
    /// exhibit is root; otherwise the operating system answers at the first use.
    pub(super) fn closed_folder(&self, path: &Path) -> Result<Option<PathBuf>, Error> {
        if !self.dropped {
            return Ok(None);
        }
        let mut way: Vec<&Path> = path.ancestors().collect();
        way.reverse();
        for folder in way {
            let metadata = fs::metadata(folder).context("look at", folder)?;
            if !self.may_enter(metadata.mode(), metadata.uid(), metadata.gid()) {
                return Ok(Some(folder.to_owned()));
            }
        }
        Ok(None)
    }

    /// The kernel's rule for searching a folder, access lists aside: the first class that fits.
    fn may_enter(&self, mode: u32, owner: u32, group: u32) -> bool {
        let bit = if owner == self.uid {
            0o100
        } else if group == self.gid {
            0o010
        } else {
            0o001
        };
        mode & bit != 0
    }
}

/// A user, not root, who has a passwd entry: whom a uid without one can pass for in a user
/// namespace.
pub(super) fn anyone_with_passwd_entry() -> Option<(u32, u32)> {
    ["nobody", "postgres", "daemon", "bin"]
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .map(|entry| (entry.uid.as_raw(), entry.gid.as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_class_that_fits_decides_who_may_enter() {
        let user = ServerUser {
            uid: 101,
            gid: 104,
            name: "postgres".to_owned(),
            dropped: true,
            has_passwd_entry: true,
        };
        assert!(user.may_enter(0o711, 0, 0));
        assert!(!user.may_enter(0o700, 0, 0));
        assert!(user.may_enter(0o700, 101, 0));
        assert!(user.may_enter(0o710, 0, 104));
        // The group may not, so what everybody may does not matter.
        assert!(!user.may_enter(0o701, 0, 104));
    }
}
