//! Bad input: each item of it gets a clear message, and nothing is lost.

mod directory;
mod planted;
mod private;
pub mod start;
mod wire_level;

const L1: &str = "11111111-1111-4111-8111-111111111111";
