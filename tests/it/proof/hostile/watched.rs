//! What is looked at meanwhile: the server's memory, and whether the operator gets in.

use std::time::{Duration, Instant};

use crate::harness::Server;
use crate::wire::Wire;

/// How often both are looked at.
const EVERY: Duration = Duration::from_millis(200);

#[derive(Default)]
pub(super) struct Figures {
    /// The most bytes of resident memory.
    pub(super) memory: u64,
    /// The longest that the operator waited.
    pub(super) operator: Duration,
    pub(super) operator_failure: Option<String>,
}

/// Watches for a time.
pub(super) fn watch(server: &Server, time: Duration) -> Figures {
    let (mut figures, begun) = (Figures::default(), Instant::now());
    while begun.elapsed() < time {
        std::thread::sleep(EVERY);
        figures.memory = figures.memory.max(memory(server.pid()));
        let asked = Instant::now();
        match operator_asks(server) {
            Ok(()) => figures.operator = figures.operator.max(asked.elapsed()),
            Err(failure) => figures.operator_failure = Some(failure),
        }
    }
    figures
}

fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.expect("a size") * 1024
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
