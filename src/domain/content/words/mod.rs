//! The index of what can be found, kept up to date beside everything else.
//!
//! A change of a state notes in its own transaction that the index is behind with it. One task then
//! reads the current version, compares what can be found in it with what the index has, and writes
//! the differences in small transactions. Where a version is found by the same as the one before,
//! it only writes which version that is. Each of them counts only if the state has not changed
//! meanwhile. A kill at any point leaves rows that say what is left to be done.

mod follow;
pub mod index;
mod plan;
mod same;
