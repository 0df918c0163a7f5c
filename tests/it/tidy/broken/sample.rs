//! A tree that keeps every rule, with much in it that only looks as if it did not.

pub(super) const TREE: &str = r##"=== src/lib.rs
//! x
pub mod model;
pub mod domain;
mod blob;
use crate::store::Store;
=== src/model/mod.rs
//! x
pub mod key;
pub mod name;
pub use name::Row;
=== src/model/key.rs
//! x
pub struct KeyId;
struct Row;
#[cfg(test)]
use super::Row as Settled;
#[cfg(test)]
mod tests {
    use super::super::{Row, name};
    struct Rehearsal;
}
fn unsettled(hotel: Resettle) {}
=== src/model/name.rs
//! Names; see `crate::store` and `println!`.
/* crate::http */
use super::key::KeyId;
pub(in crate::model) struct Row;
const TEXT: &str = "use crate::store; println!(\"{\")";
const RAW: &str = r#"crate::http " println!("#;
const QUOTE: char = '"';
const BRACE: char = '{';
fn longest<'a>(a: &'a str, b: [u8; 2]) -> &'a str {
    a // crate::cli
}
=== src/blob/mod.rs
//! x
mod zstd;
use zstd::bulk;
=== src/blob/zstd.rs
//! x
use crate::{model::{name, digest}};
use serde::{self as blob};
=== src/domain/mod.rs
//! x
mod content;
mod engine;
mod error;
mod states;
mod status;
use crate::{blob, model::{name::Name, store}, store::{Store, http}};
use super::config;
use states::States;
pub struct Domain {
    // One.
    states: States<{ 1: u8 }>,
}
=== src/domain/engine.rs
//! x
use super::error::Error;
=== src/domain/error.rs
//! x
=== src/domain/content.rs
//! x
=== src/domain/states.rs
//! x
use super::{engine, content::Content};
=== src/domain/status.rs
//! x
use super::states::States;
=== tests/it/main.rs
//! x
mod rules;
=== tests/it/rules.rs
//! x
fn settled() {
    println!();
}
=== migrations/V1__x.sql
CREATE TABLE a (b TEXT CHECK (b <> '')) STRICT;
CREATE TABLE c (
  d TEXT
) STRICT, WITHOUT ROWID;
=== migrations/V2__y.sql
CREATE INDEX e ON a (b);
=== Cargo.toml
[package]
name = "x"

[dependencies]
# Why.
a = "1"
b = { version = "1" }
[lints.rust]
c = "x"
"##;
