//! The clients: one thread and one connection each, with requests made beforehand, so that they take little of the processor that they share
//! with the server. Each answer is checked; a round with an answer other than 200 is an error and no figure.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::Res;
use crate::process::Process;

/// The most bytes of an answer's head.
const MAX_HEAD: usize = 16 * 1024;

/// A connection that is kept alive.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Res<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 256 * 1024] })
    }

    /// Sends a request and gives the body of the answer, which has to be 200.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Res<&[u8]> {
        self.stream.write_all(request)?;
        let mut filled = 0;
        let head = loop {
            filled += self.read_more(filled)?;
            let read = self.buffer.get(..filled).unwrap_or_default();
            if let Some(end) = read.windows(4).take(MAX_HEAD).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let (is_good, length) = parse(self.buffer.get(..head).unwrap_or_default())?;
        let end = head + length;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        while filled < end {
            filled += self.read_more(filled)?;
        }
        if !is_good {
            return Err(format!("refused: {}", String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default())).into());
        }
        Ok(self.buffer.get(head..end).unwrap_or_default())
    }

    fn read_more(&mut self, filled: usize) -> Res<usize> {
        let read = self.stream.read(self.buffer.get_mut(filled..).unwrap_or_default())?;
        if read == 0 { Err("the server hung up".into()) } else { Ok(read) }
    }
}

/// Whether an answer is 200, and how long its body is.
fn parse(head: &[u8]) -> Res<(bool, usize)> {
    let text = std::str::from_utf8(head)?;
    let length = text.split("\r\n").filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.ok_or("an answer without Content-Length")?.1.trim().parse()?;
    Ok((text.starts_with("HTTP/1.1 200 "), length))
}

/// What a round came to.
pub(crate) struct Round {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Seconds of server's processor for a request; none where it was not measured.
    pub(crate) cpu: Option<f64>,
    /// How long each request took, in seconds, the shortest first.
    latencies: Vec<f64>,
}

impl Round {
    /// A round without clients, of which only the time is known.
    pub(crate) fn of_loop(requests: u32, elapsed: f64) -> Self {
        Self { rate: f64::from(requests) / elapsed, cpu: None, latencies: Vec::new() }
    }

    /// How long the slowest of this share of the requests took.
    pub(crate) fn percentile(&self, percent: usize) -> Option<f64> {
        let place = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(place).copied()
    }
}

/// Sends each client's requests again and again for some time. What they do must not depend on how often they are sent.
pub(crate) fn repeat(process: &Process, clients: &[Vec<Vec<u8>>], time: Duration) -> Res<Round> {
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
pub(crate) fn send_all(process: &Process, clients: &[Vec<Vec<u8>>]) -> Res<Round> {
    measure(process, clients, |requests, connection, send| requests.iter().try_for_each(|request| send(connection, request).map(drop)))
}

/// Sends a request, notes how long it took, and says when it was answered.
type Send<'a> = dyn FnMut(&mut Connection, &[u8]) -> Res<Instant> + 'a;

fn measure<W: std::marker::Sync>(
    process: &Process,
    clients: &[W],
    work: impl Fn(&W, &mut Connection, &mut Send<'_>) -> Res<()> + std::marker::Sync,
) -> Res<Round> {
    let mut connections = clients.iter().map(|_| Connection::open(process.address()?)).collect::<Res<Vec<_>>>()?;
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
        let threads: Vec<_> = pairs.map(|(wanted, connection)| scope.spawn(|| client(wanted, connection))).collect();
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
        latencies.sort_unstable_by(f64::total_cmp);
        Ok(Round { rate: count / elapsed, cpu: Some(cpu), latencies })
    })
}
