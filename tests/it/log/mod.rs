//! The log: its order, who follows it, and the check that proves it whole.

mod check;
mod damage;
mod following;
mod order;
