//! The schema is compiled in: a new migration makes a new binary.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
