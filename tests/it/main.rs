//! One test crate for everything that goes through the front door: the real binary, real clients, a
//! real browser.

#![expect(
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test crate exports nothing, measures its own patience, and fails loudly"
)]

mod answer;
mod api;
mod backup;
mod bad_input;
mod between;
mod cli;
mod clients;
mod credentials;
mod disk;
mod documents;
mod event_chain;
mod events_file;
mod examples;
mod faults;
mod first_start;
mod format;
mod harness;
mod hcl;
mod hooks;
mod hostile;
mod inside;
mod limits;
mod litestream;
mod logs;
mod mirror;
mod model;
mod openapi;
mod packaging;
mod page;
mod permissions;
mod proof;
mod rules;
mod salvage;
mod samples;
mod scrape;
mod sealing;
mod skip;
mod syslog;
mod tidy;
mod tls;
mod trusts;
mod upgrades;
mod wire;
