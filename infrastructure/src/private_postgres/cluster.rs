//! Making the cluster, once. A crash on the way leaves a folder `postgres.new-<pid>`, never half a
//! cluster; the next start removes it.

use std::{
    ffi::OsString,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Output,
};

use super::{
    error::{Context, PrivatePostgresError as Error},
    folders,
    identity::{self, ServerUser},
    launcher::Launch,
    places::Places,
};

/// The role that owns the cluster: PostgreSQL's superuser in it.
pub const OWNER_ROLE: &str = "exhibit_owner";

const TEMPORARY: &str = "postgres.new-";

/// Folders in which `libnss_wrapper.so` is found, apart from `/usr/lib/<triple>`.
const LIBRARY_FOLDERS: [&str; 4] = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64"];

/// The cluster's folder (`PGDATA`) in its home.
pub(super) fn folder(home: &Path) -> PathBuf {
    home.join("postgres")
}

/// The major version of the PostgreSQL that made this cluster; none when there is no cluster.
pub(super) fn major(cluster: &Path) -> Result<Option<String>, Error> {
    let file = cluster.join("PG_VERSION");
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("read", &file),
    }
}

/// Runs `initdb` in a temporary folder and moves the finished, synced cluster into place.
pub(super) fn initialise(places: &Places, bin: &Path, launcher: &Path) -> Result<(), Error> {
    remove_leftovers(&places.home);
    let is_taken = fs::read_dir(&places.cluster).is_ok_and(|mut entries| entries.next().is_some());
    if is_taken {
        return Err(Error::NotACluster(places.cluster.clone()));
    }
    let temporary = places.home.join(format!("{TEMPORARY}{}", std::process::id()));
    let outcome = initialise_in(&temporary, places, bin, launcher);
    if let Err(error) = fs::remove_dir_all(&temporary) {
        tracing::warn!(%error, folder = %temporary.display(), "a temporary folder stays");
    }
    outcome
}

fn initialise_in(
    temporary: &Path,
    places: &Places,
    bin: &Path,
    launcher: &Path,
) -> Result<(), Error> {
    folders::make_folder(temporary, if places.user.dropped { 0o711 } else { 0o700 })?;
    folders::open_way(temporary, &places.user)?;
    let fresh = temporary.join("cluster");
    folders::own_folder(&fresh, &places.user)?;
    let launch = Launch {
        parent: std::process::id(),
        become_user: places.user.dropped.then_some((places.user.uid, places.user.gid)),
        pass_for: None,
        environment: Vec::new(),
        program: bin.join("initdb"),
        arguments: initdb_arguments(&fresh),
    };
    if places.user.has_passwd_entry {
        attempt(&launch, launcher)?.map_err(Error::Init)?;
    } else {
        attempt_without_passwd_entry(&launch, launcher, &places.user, temporary)?;
    }
    fs::rename(&fresh, &places.cluster).context("move into place", &fresh)?;
    folders::sync_folder(&places.home)
}

/// `initdb` syncs what it made before it ends; to do without and sync afterwards takes as long.
fn initdb_arguments(cluster: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["-D".into(), cluster.into()];
    // The owner's name and the authentication matter within the socket's closed folder only. Locale
    // C orders text by bytes, on each system and in each version alike: no index breaks by an
    // update of the C library.
    arguments.extend(
        ["-U", OWNER_ROLE, "--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums"]
            .map(OsString::from),
    );
    arguments
}

/// The inner error is what `initdb`, or the launcher before it, had to say.
fn attempt(launch: &Launch, launcher: &Path) -> Result<Result<(), String>, Error> {
    let output = launch.command(launcher).output().context("run", launcher)?;
    Ok(if output.status.success() { Ok(()) } else { Err(reason(&output)) })
}

/// `initdb` asks for its user's name and gives up without one. Three ways around, best first.
fn attempt_without_passwd_entry(
    launch: &Launch,
    launcher: &Path,
    user: &ServerUser,
    temporary: &Path,
) -> Result<(), Error> {
    let mut ways: Vec<Launch> = Vec::new();
    if let Some(somebody) = identity::anyone_with_passwd_entry() {
        ways.push(Launch { pass_for: Some(somebody), ..launch.clone() });
    }
    if let Some(library) = nss_wrapper() {
        let environment = nss_environment(&library, user, temporary)?;
        ways.push(Launch { environment, ..launch.clone() });
    }
    // A static build may know less about users than PostgreSQL does, so try it as it is, too.
    ways.push(launch.clone());
    let mut reasons: Vec<String> = Vec::new();
    for way in ways {
        match attempt(&way, launcher)? {
            Ok(()) => return Ok(()),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(Error::NoPasswdEntry { uid: user.uid, detail: reasons.join("; ") })
}

/// Files in which this uid has a name, and the variables that make the library show them.
fn nss_environment(
    library: &Path,
    user: &ServerUser,
    temporary: &Path,
) -> Result<Vec<OsString>, Error> {
    let (passwd, group) = (temporary.join("passwd"), temporary.join("group"));
    let entry = format!("exhibit:x:{}:{}::/:/bin/sh\n", user.uid, user.gid);
    fs::write(&passwd, entry).context("write", &passwd)?;
    fs::write(&group, format!("exhibit:x:{}:\n", user.gid)).context("write", &group)?;
    let variables = [
        ("LD_PRELOAD=", library),
        ("NSS_WRAPPER_PASSWD=", passwd.as_path()),
        ("NSS_WRAPPER_GROUP=", group.as_path()),
    ];
    Ok(variables
        .map(|(key, value)| {
            let mut variable = OsString::from(key);
            variable.push(value);
            variable
        })
        .into())
}

fn nss_wrapper() -> Option<PathBuf> {
    let triples =
        fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    LIBRARY_FOLDERS
        .iter()
        .map(PathBuf::from)
        .chain(triples)
        .map(|folder| folder.join("libnss_wrapper.so"))
        .find(|library| library.is_file())
}

/// The last line with a fact in it, as `initdb` writes progress before and a remark after it.
fn reason(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_fact = |line: &&str| {
        ["error", "FATAL", "cannot", "could not"].iter().any(|mark| line.contains(mark))
    };
    lines()
        .find(is_fact)
        .or_else(|| lines().next_back())
        .map_or_else(|| output.status.to_string(), str::to_owned)
}

/// Removes what a killed start left. Best effort: each start has a temporary folder of its own.
fn remove_leftovers(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY)
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(%error, folder = %entry.path().display(), "a leftover folder stays");
        }
    }
}
