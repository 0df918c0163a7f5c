//! Logs: text where a person looks, JSON lines where a machine does, always on stderr.

use std::fs::File;
use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `level` is `error`, `warn`, `info`, `debug` or `trace`; libraries stay at `warn` unless it is `trace`.
pub fn init(format: LogFormat, level: &str) {
    let is_terminal = std::io::stderr().is_terminal();
    // Libraries may log whole requests, and so credentials: they never go below `info`.
    let filter = match level {
        "trace" => EnvFilter::new("info,statekeep=trace"),
        _ => EnvFilter::new(format!("warn,statekeep={level}")),
    };
    // Each line is one call to the system, which keeps lines apart: the standard library's lock would make requests wait for each other.
    let stderr = match std::io::stderr().as_fd().try_clone_to_owned() {
        Ok(stderr) => BoxMakeWriter::new(Arc::new(File::from(stderr))),
        Err(_) => BoxMakeWriter::new(std::io::stderr),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_span_events(FmtSpan::NONE);
    let as_json = match format {
        LogFormat::Auto => !is_terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    if as_json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
    } else {
        lines.with_ansi(is_terminal).with_target(false).init();
    }
}
