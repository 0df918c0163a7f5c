//! What is looked at meanwhile: the server's memory, whether the operator gets in, and what the
//! attackers leave in the database.

use std::time::{Duration, Instant};

use crate::harness::Server;
use crate::inside;
use crate::wire::Wire;

/// How often both are looked at.
const EVERY: Duration = Duration::from_millis(200);

#[derive(Default)]
pub(super) struct Figures {
    /// The most bytes of resident memory, and how many there were before.
    pub(super) memory: u64,
    pub(super) memory_before: u64,
    /// The locks that the attackers' workspace has at the end.
    pub(super) locks: i64,
    /// The events that are left of a workspace in which nobody acts.
    pub(super) quiet_events: i64,
    /// How long was watched, and how many requests were answered meanwhile.
    pub(super) time: Duration,
    pub(super) answered: u64,
    /// The longest that the operator waited.
    pub(super) operator: Duration,
    pub(super) operator_failure: Option<String>,
}

/// Before an attack begins.
pub(super) fn before(server: &Server) -> Figures {
    Figures {
        memory_before: memory(server.pid()),
        answered: answered(server),
        ..Figures::default()
    }
}

/// Watches for a time.
pub(super) fn watch(server: &Server, mut figures: Figures, time: Duration) -> Figures {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::thread::sleep(EVERY);
        figures.memory = figures.memory.max(memory(server.pid()));
        let asked = Instant::now();
        match operator_asks(server) {
            Ok(()) => figures.operator = figures.operator.max(asked.elapsed()),
            Err(failure) => figures.operator_failure = Some(failure),
        }
    }
    figures.time = begun.elapsed();
    figures.answered = answered(server).saturating_sub(figures.answered);
    let locks = "SELECT count(*) FROM locks WHERE workspace = 'greedy'";
    figures.locks = inside::number(server.data(), locks);
    figures.quiet_events = quiet_events(server);
    figures
}

/// The events of what was done in the workspace `quiet`.
pub(super) fn quiet_events(server: &Server) -> i64 {
    let sql = "SELECT count(*) FROM events WHERE workspace = 'quiet' AND lasting IS NULL";
    inside::number(server.data(), sql)
}

fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.expect("a size") * 1024
}

/// How many requests the server has answered so far.
fn answered(server: &Server) -> u64 {
    let mut wire = Wire::to_socket_of(server);
    wire.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let text = wire.answer().expect("metrics").text();
    let counts = text
        .lines()
        .filter(|line| line.starts_with("statekeep_http_request_duration_seconds_count"));
    let counts = counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    counts.sum()
}

/// Asks for a list of keys, as an operator does before revoking one.
fn operator_asks(server: &Server) -> Result<(), String> {
    let mut wire = Wire::to_socket_of(server);
    wire.send("GET /api/keys?limit=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    match wire.answer() {
        Some(answer) if answer.status == 200 => Ok(()),
        Some(answer) => Err(format!("{} {}", answer.status, answer.text())),
        None => Err("it hung up".to_owned()),
    }
}
