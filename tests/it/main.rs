//! The behaviour of the system, over HTTP and the command line.

mod sessions;
