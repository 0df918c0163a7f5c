#![doc = include_str!("ARCHITECTURE.md")]

pub mod model;

pub mod blob;
pub mod diff;
pub mod store;

pub mod domain;

pub mod http;

pub mod cli;

pub mod config;
pub mod telemetry;
