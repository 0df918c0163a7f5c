//! The map of the product, for a first reader: its rooms, what is always true, and how a
//! write goes through.
//!
#![doc = include_str!("ARCHITECTURE.md")]

pub mod model;

pub mod blob;
pub mod diff;
pub mod hcl;
pub mod salvage;
pub mod seal;
pub mod sqlite_file;
pub mod store;

pub mod domain;

pub mod http;

pub mod cli;

pub mod config;
pub mod metrics;
pub mod packed;
pub mod sabotage;
pub mod telemetry;
