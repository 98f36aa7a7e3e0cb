//! The log: its order, and the check that proves it whole.

mod check;
mod damage;
mod order;
