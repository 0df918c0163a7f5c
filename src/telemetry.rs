//! Logs: text where a person looks, JSON lines where a machine does, always on stderr.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

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
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
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
