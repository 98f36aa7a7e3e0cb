//! Where the PostgreSQL programs of this system are, and how to get them when there are none.

use std::{
    env, fs, iter,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::error::PrivatePostgresError as Error;

/// Folders whose entries `<prefix><version>/bin` hold one PostgreSQL each.
const USUAL: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql"),
    ("/usr/local/opt", "postgresql"),
];

/// The folder with `postgres` and `initdb`: `bin_dir` when given, and nothing else then; otherwise
/// the first of `PATH`, `pg_config --bindir`, and the usual folders, newest version first.
///
/// # Errors
/// `BadBinDir` when the given folder lacks them, `NoBinaries` when nothing is found.
pub fn find_binaries(bin_dir: Option<&Path>) -> Result<PathBuf, Error> {
    candidates(bin_dir)?.next().ok_or_else(none_found)
}

/// The folder whose programs can open a cluster of this major version; several are often installed.
pub(super) fn of_major(
    bin_dir: Option<&Path>,
    cluster: &Path,
    major: &str,
) -> Result<PathBuf, Error> {
    let mut found: Vec<String> = Vec::new();
    for folder in candidates(bin_dir)? {
        let version = major_of(&folder).unwrap_or_else(|| "unknown".to_owned());
        if version == major {
            return Ok(folder);
        }
        if !found.contains(&version) {
            found.push(version);
        }
    }
    if found.is_empty() {
        return Err(none_found());
    }
    Err(Error::OtherVersion {
        cluster: cluster.to_owned(),
        cluster_major: major.to_owned(),
        found: found.join(", "),
    })
}

/// All folders with the programs, best first. Lazy: `pg_config` runs only when `PATH` has none.
fn candidates(bin_dir: Option<&Path>) -> Result<Box<dyn Iterator<Item = PathBuf>>, Error> {
    if let Some(given) = bin_dir {
        let folder = fs::canonicalize(given)
            .ok()
            .and_then(|folder| resolved(&folder))
            .ok_or_else(|| Error::BadBinDir(given.to_owned()))?;
        return Ok(Box::new(iter::once(folder)));
    }
    let path: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    let usual = USUAL.iter().flat_map(|(parent, prefix)| newest_first(Path::new(parent), prefix));
    let all = path
        .into_iter()
        .chain(iter::once_with(pg_config_bindir).flatten())
        .chain(usual)
        .chain(iter::once(PathBuf::from("/usr/local/pgsql/bin")));
    Ok(Box::new(all.filter_map(|folder| resolved(&folder))))
}

/// The folder itself when it has both programs. Symbolic links (`/usr/local/bin/postgres`) lead to
/// the real one, because PostgreSQL looks for its libraries beside the program.
fn resolved(folder: &Path) -> Option<PathBuf> {
    if !has_programs(folder) {
        return None;
    }
    let real = fs::canonicalize(folder.join("postgres")).ok()?.parent()?.to_owned();
    if has_programs(&real) { Some(real) } else { fs::canonicalize(folder).ok() }
}

fn has_programs(folder: &Path) -> bool {
    folder.is_absolute()
        && ["postgres", "initdb"].iter().all(|program| {
            fs::metadata(folder.join(program))
                .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        })
}

fn pg_config_bindir() -> Option<PathBuf> {
    let output = Command::new("pg_config")
        .arg("--bindir")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    Some(PathBuf::from(text.trim_end()))
}

fn newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let rest = name.strip_prefix(prefix)?.trim_start_matches('@');
            // Homebrew's plain `postgresql` is a link to one of the numbered ones: last.
            let version = if rest.is_empty() { 0 } else { leading_number(rest)? };
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_by(|left, right| right.cmp(left));
    found.into_iter().map(|(_, folder)| folder).collect()
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// None when the program does not run: then the next folder may have a better one.
fn major_of(folder: &Path) -> Option<String> {
    // Works for root too: PostgreSQL answers this before it refuses root.
    let output = Command::new(folder.join("postgres"))
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .ok()?;
    parse_major(&String::from_utf8_lossy(&output.stdout))
}

/// `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)` gives `15`.
fn parse_major(version: &str) -> Option<String> {
    let number = version.split_whitespace().find_map(leading_number)?;
    Some(number.to_string())
}

fn none_found() -> Error {
    let hint = if cfg!(target_os = "macos") {
        "brew install postgresql@17".to_owned()
    } else {
        install_hint(&fs::read_to_string("/etc/os-release").unwrap_or_default())
    };
    Error::NoBinaries { hint }
}

/// The command that installs PostgreSQL on the system that this `os-release` file describes.
fn install_hint(os_release: &str) -> String {
    let value = |key: &str| {
        os_release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .map(|value| value.trim_matches(['"', '\'']).to_owned())
            .unwrap_or_default()
    };
    // The system's own name first, then those of its ancestors.
    let names = format!("{} {}", value("ID"), value("ID_LIKE"));
    let command = names.split_whitespace().find_map(|name| match name {
        "debian" | "ubuntu" => Some("apt-get install postgresql"),
        "fedora" | "rhel" | "centos" | "amzn" => Some("dnf install postgresql-server"),
        "alpine" => Some("apk add postgresql"),
        "arch" => Some("pacman -S postgresql"),
        "suse" | "opensuse" => Some("zypper install postgresql-server"),
        _ => None,
    });
    command.unwrap_or("install the PostgreSQL server with this system's package manager").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_fits_the_system_or_its_ancestor() {
        assert_eq!(install_hint("NAME=\"x\"\nID=debian\n"), "apt-get install postgresql");
        assert_eq!(
            install_hint("ID=pop\nID_LIKE=\"ubuntu debian\"\n"),
            "apt-get install postgresql"
        );
        assert_eq!(
            install_hint("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"),
            "dnf install postgresql-server"
        );
        assert_eq!(install_hint("ID=alpine\nVERSION_ID=3.22"), "apk add postgresql");
        assert_eq!(install_hint("ID=arch"), "pacman -S postgresql");
        assert!(install_hint("").contains("package manager"));
    }

    #[test]
    fn the_major_version_is_read_from_every_kind_of_release() {
        let debian = "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n";
        assert_eq!(parse_major(debian).as_deref(), Some("15"));
        assert_eq!(parse_major("postgres (PostgreSQL) 19beta1\n").as_deref(), Some("19"));
        assert_eq!(parse_major("postgres"), None);
    }

    #[test]
    fn a_given_folder_without_the_programs_is_refused() {
        let refused = find_binaries(Some(Path::new("/nonexistent")));
        assert!(matches!(refused, Err(Error::BadBinDir(_))));
    }

    #[test]
    fn newer_versions_come_first_by_number_not_by_letter() {
        let parent = env::temp_dir().join(format!("exhibit-newest-{}", std::process::id()));
        for name in ["9.6", "10", "17", "junk"] {
            fs::create_dir_all(parent.join(name)).unwrap();
        }
        let names = newest_first(&parent, "");
        fs::remove_dir_all(&parent).unwrap();
        let expected = ["17", "10", "9.6"].map(|name| parent.join(name).join("bin"));
        assert_eq!(names, expected);
    }
}
