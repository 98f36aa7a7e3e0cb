//! The behaviour of the system, over HTTP and the command line.

mod append_only;
mod appending;
mod architecture;
mod authorization;
mod bad_input;
mod command_line;
mod contract;
mod demo;
mod exports;
mod faults;
mod keys;
mod log;
mod logging;
mod operations;
mod private_postgres;
mod processes;
mod production;
mod reading;
mod refusals;
mod refusals_inside;
mod refusing;
mod sealing;
mod service;
mod sessions;
mod shutdown;
mod verify_command;
