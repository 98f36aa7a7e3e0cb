//! `with-postgres COMMAND…`: runs a command beside a PostgreSQL of its own.
//!
//! Integration tests find it by `EXHIBIT_TEST_POSTGRES`; each takes a database made from a template
//! that is migrated once.

use std::process::{Command, ExitCode};

use infrastructure::private_postgres::{self, LAUNCH_VERB, OWNER_ROLE, PrivatePostgres};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor};

fn main() -> ExitCode {
    let args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if args.get(1).is_some_and(|verb| verb == LAUNCH_VERB) {
        private_postgres::run_launcher(&args[2..]);
    }
    match run(&args[1..]) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("with-postgres: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &[std::ffi::OsString]) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (program, args) = command.split_first().ok_or("name a command to run")?;
    let data = tempfile::Builder::new().prefix("exhibit-test-").tempdir()?;
    let postgres = PrivatePostgres::start(&private_postgres::Options {
        data_dir: data.path().to_owned(),
        bin_dir: None,
        launcher: std::env::current_exe()?,
    })?;
    let endpoint = postgres.endpoint();
    let socket = endpoint.socket_dir.display();
    let url =
        format!("postgres://{OWNER_ROLE}@localhost/DATABASE?host={socket}&port={}", endpoint.port);
    tokio::runtime::Runtime::new()?.block_on(make_template(&url))?;
    let status = Command::new(program).args(args).env("EXHIBIT_TEST_POSTGRES", &url).status()?;
    postgres.stop();
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

async fn make_template(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let options = |database: &str| url.replace("DATABASE", database).parse::<PgConnectOptions>();
    let mut connection = options("postgres")?.connect().await?;
    connection.execute("create database exhibit_template").await?;
    infrastructure::database::migrate(&options("exhibit_template")?).await?;
    Ok(())
}
