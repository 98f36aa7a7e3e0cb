//! Folders and small files with the right owner, and what survives a crash.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown},
    path::{Path, PathBuf},
};

use super::{
    error::{Context, PrivatePostgresError as Error},
    identity::ServerUser,
};

/// Writes a file so that a crash leaves the old one or the new one, and no half.
pub(super) fn write_whole(file: &Path, content: &[u8]) -> Result<(), Error> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    fs::write(&temporary, content).context("write", &temporary)?;
    fs::File::open(&temporary).and_then(|open| open.sync_all()).context("sync", &temporary)?;
    fs::rename(&temporary, file).context("rename", &temporary)?;
    file.parent().map_or(Ok(()), sync_folder)
}

/// Makes renames and new names in this folder survive a power cut.
pub(super) fn sync_folder(folder: &Path) -> Result<(), Error> {
    fs::File::open(folder).and_then(|open| open.sync_all()).context("sync", folder)
}

/// Makes a folder that only the server's user (and root) can enter, or checks the one that is
/// there. A symbolic link, or a folder of somebody else, is refused: it could be a trap in `/tmp`.
pub(super) fn own_folder(folder: &Path, user: &ServerUser) -> Result<(), Error> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(error).context("create", folder);
        }
        _ => {}
    }
    let metadata = fs::symlink_metadata(folder).context("look at", folder)?;
    // Root's own: just made, by us or by a start that died before the next lines.
    let to_hand_over = user.dropped && metadata.uid() == 0;
    if !metadata.is_dir() || (metadata.uid() != user.uid && !to_hand_over) {
        return Err(Error::Foreign {
            path: folder.to_owned(),
            owner: metadata.uid(),
            expected: user.uid,
            remedy: "remove it",
        });
    }
    if to_hand_over {
        lchown(folder, Some(user.uid), Some(user.gid)).context("change the owner of", folder)?;
    }
    if metadata.mode() & 0o777 != 0o700 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).context("close", folder)?;
    }
    Ok(())
}

/// Makes a folder and its missing parents; leaves one that exists as it is.
pub(super) fn make_folder(folder: &Path, mode: u32) -> Result<(), Error> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(folder).context("create", folder)
}

/// Lets the server's user through a folder that is exhibit's (a strict umask may have closed it);
/// its parents are not ours to change.
pub(super) fn open_way(folder: &Path, user: &ServerUser) -> Result<(), Error> {
    let mut closed = user.closed_folder(folder)?;
    if closed.as_deref() == Some(folder) {
        let mode = fs::metadata(folder).context("look at", folder)?.mode() & 0o7777;
        fs::set_permissions(folder, fs::Permissions::from_mode(mode | 0o011))
            .context("open the way through", folder)?;
        closed = user.closed_folder(folder)?;
    }
    closed.map_or(Ok(()), |path| Err(Error::NotEnterable { path, user: user.name.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_somebody_else_or_a_link_is_refused() {
        let folder = std::env::temp_dir().join(format!("exhibit-own-{}", std::process::id()));
        let other = ServerUser {
            uid: nix::unistd::geteuid().as_raw() + 1,
            gid: 0,
            name: String::new(),
            dropped: false,
            has_passwd_entry: true,
        };
        let own = ServerUser { uid: other.uid - 1, ..other.clone() };
        own_folder(&folder, &own).unwrap();
        own_folder(&folder, &own).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert!(matches!(own_folder(&folder, &other), Err(Error::Foreign { .. })));

        let link = folder.join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(matches!(own_folder(&link, &own), Err(Error::Foreign { .. })));
        fs::remove_dir_all(&folder).unwrap();
    }
}
