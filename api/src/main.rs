//! `exhibit`: evidence that proves itself.

use std::process::ExitCode;

use infrastructure::private_postgres::{LAUNCH_VERB, run_launcher};

/// Ingest makes many small, short-lived pieces, on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    // Before any thread: the launcher becomes PostgreSQL, or its initdb.
    if args.get(1).is_some_and(|verb| verb == LAUNCH_VERB) {
        run_launcher(&args[2..]);
    }
    api::cli::run(args)
}
