//! The tamper corpus: good evidence of every form, and what somebody could do to it.
//!
//! The good artifacts are written here by hand, with a canonicalizer, hashes and keys that share
//! nothing with ours, so that the verifier is held to `docs/EXPORTS.md` and not to our writers. Each
//! change is one line of a table: what was done, the exit code, and exactly the findings of it.
//! Pages alone are ours: nobody else sets them.

mod bundles;
mod case;
mod exports;
mod filtered;
mod fuzz;
mod good;
mod packs;
mod pdf;
mod selections;
mod sessions;
mod signers;
mod zipped;
mod zips;
