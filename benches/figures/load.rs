//! Rounds: so many clients, one thread and one connection each, and how long their requests took.
//!
//! Each answer is checked; a round with an answer other than 200 is an error and no figure.

use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use crate::Res;
use crate::process::Process;
use crate::wire::{Connection, Hashing, Request};
use crate::writer::Writer;

/// How long things took, in seconds, the shortest first.
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn new(mut seconds: Vec<f64>) -> Self {
        seconds.sort_unstable_by(f64::total_cmp);
        Self(seconds)
    }

    /// The times of one thing, where each was measured for so many.
    pub(crate) fn divided_by(self, count: f64) -> Self {
        Self(self.0.into_iter().map(|seconds| seconds / count).collect())
    }

    /// How long the slowest of this share of them took.
    pub(crate) fn percentile(&self, percent: usize) -> Option<f64> {
        let lookup = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(lookup).copied()
    }
}

/// What a round came to.
pub(crate) struct Round {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Seconds of server's processor for a request; none where it was not measured.
    pub(crate) cpu: Option<f64>,
    /// How long each request took.
    pub(crate) times: Times,
}

impl Round {
    /// A round without clients, of which only the time is known.
    pub(crate) fn of_loop(requests: u32, elapsed: f64) -> Self {
        Self {
            rate: f64::from(requests) / elapsed,
            cpu: None,
            times: Times::new(Vec::new()),
        }
    }

    /// A percentile of its times; not a number where there are none.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        self.times.percentile(percent).unwrap_or(f64::NAN)
    }
}

/// Sends each client's requests again and again for some time. What they do must not depend on how
/// often they are sent.
pub(crate) fn repeat(process: &Process, clients: &[Vec<Request>], time: Duration) -> Res<Round> {
    measure(process, clients, |requests, connection, send| {
        let end = Instant::now() + time;
        for request in requests.iter().cycle() {
            if send(connection, request)? >= end {
                break;
            }
        }
        Ok(())
    })
}

/// Sends each client's requests, one after the other.
pub(crate) fn send_all(process: &Process, clients: &[Vec<Request>]) -> Res<Round> {
    measure(process, clients, |requests, connection, send| {
        requests
            .iter()
            .try_for_each(|request| send(connection, request).map(drop))
    })
}

/// Has each writer write for some time, as soon as the write before is answered. Bodies are made
/// and hashed between the requests.
pub(crate) fn write_for(
    process: &Process,
    writers: &[(Mutex<Writer>, Duration)],
    time: Duration,
) -> Res<Round> {
    write_at_a_pace(process, writers, Duration::ZERO, time)
}

/// Has each writer write for some time, at a pace, the first time after its own delay; what is late
/// is written at once.
pub(crate) fn write_at_a_pace(
    process: &Process,
    writers: &[(Mutex<Writer>, Duration)],
    every: Duration,
    time: Duration,
) -> Res<Round> {
    measure(process, writers, |(writer, delay), connection, send| {
        let mut writer = writer.lock().map_err(|_| "a client panicked")?;
        let began = Instant::now();
        let mut due = *delay;
        while due.max(began.elapsed()) < time {
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            send(connection, &writer.next(Hashing::OnSending))?;
            due += every;
        }
        Ok(())
    })
}

/// Sends a request, notes how long it took, and says when it was answered.
type Send<'a> = dyn FnMut(&mut Connection, &Request) -> Res<Instant> + 'a;

fn measure<W: std::marker::Sync>(
    process: &Process,
    clients: &[W],
    work: impl Fn(&W, &mut Connection, &mut Send<'_>) -> Res<()> + std::marker::Sync,
) -> Res<Round> {
    let mut connections = clients
        .iter()
        .map(|_| Connection::open(process.address()?))
        .collect::<Res<Vec<_>>>()?;
    let start = Barrier::new(clients.len() + 1);
    let client = |wanted: &W, connection: &mut Connection| {
        let mut latencies = Vec::with_capacity(100_000);
        start.wait();
        work(wanted, connection, &mut |connection, request| {
            let sent = Instant::now();
            connection.exchange(request)?;
            let answered = Instant::now();
            latencies.push((answered - sent).as_secs_f64());
            Ok(answered)
        })?;
        Ok::<_, Box<dyn std::error::Error + std::marker::Send + std::marker::Sync>>(latencies)
    };
    std::thread::scope(|scope| {
        let pairs = clients.iter().zip(&mut connections);
        let threads: Vec<_> = pairs
            .map(|(wanted, connection)| scope.spawn(|| client(wanted, connection)))
            .collect();
        let cpu_before = process.cpu_seconds()?;
        start.wait();
        let began = Instant::now();
        let mut latencies = Vec::new();
        for thread in threads {
            latencies.extend(thread.join().map_err(|_| "a client panicked")??);
        }
        let elapsed = began.elapsed().as_secs_f64();
        let count = f64::from(u32::try_from(latencies.len())?);
        let cpu = (process.cpu_seconds()? - cpu_before) / count;
        Ok(Round {
            rate: count / elapsed,
            cpu: Some(cpu),
            times: Times::new(latencies),
        })
    })
}
