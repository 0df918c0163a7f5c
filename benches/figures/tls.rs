//! Reads of a state over TLS by clients whose connections stay open, and handshakes, against a bare
//! handler with the same rustls and the same certificate.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::load::{Round, Times};
use crate::process::{Process, Server, Sync, as_text, directory, program};
use crate::report::{Report, Target};
use crate::wire::Hashing;
use crate::writer::Writer;
use crate::{Res, rivals};

const CLIENTS: usize = 16;
/// Clients that do nothing but begin connections.
const STRANGERS: usize = 8;
const PAIRS: usize = 11;
const ROUND: Duration = Duration::from_secs(2);
const SEED: u64 = 1;
const END: &[u8] = b"\r\n\r\n";

type Stream = StreamOwned<ClientConnection, TcpStream>;

pub(crate) fn run() -> Res<Report> {
    let temp = directory()?;
    let folder = temp.path().join("tls");
    let made = Command::new(program())
        .args([
            "tls",
            "self-signed",
            "127.0.0.1",
            "--out",
            as_text(&folder)?,
        ])
        .output()?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into());
    }
    let [ca, cert, key] = ["ca.pem", "server.pem", "server.key"].map(|name| folder.join(name));
    let (cert, key) = (as_text(&cert)?, as_text(&key)?);
    let config = config(&ca)?;
    let server = Server::start(Sync::Disk, &["--tls-cert", cert, "--tls-key", key])?;
    let seed = SEED.to_string();
    let rival = Process::rival(&[rivals::ANSWERS_OVER_TLS, &seed, cert, key], Sync::Disk)?;

    let mut writer = Writer::new(&server.secret, "read", SEED)?;
    let (lock, write) = (writer.lock(), writer.next(Hashing::Before));
    let mut first = open(server.process.address()?, &config)?;
    for request in [lock, write] {
        exchange(&mut first, &request.whole())?;
    }
    let read = writer.read().whole();
    let state = writer.state().to_vec();
    for process in [&server.process, &rival] {
        if exchange(&mut open(process.address()?, &config)?, &read)? != state {
            return Err("what was read is not what was written".into());
        }
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut our_handshakes, mut their_handshakes) = (Vec::new(), Vec::new());
    for pair in 1..=PAIRS {
        eprintln!("tls: pair {pair} of {PAIRS}");
        ours.push(reads(&server.process, &config, &read)?);
        theirs.push(reads(&rival, &config, &read)?);
        our_handshakes.push(handshakes(&server.process, &config)?);
        their_handshakes.push(handshakes(&rival, &config)?);
    }
    let mut report = Report::new(&format!("tls: reads of a state of {} bytes", state.len()));
    report.measured("statekeep", CLIENTS, &ours);
    report.measured("bare handler with the same rustls", CLIENTS, &theirs);
    report.measured("handshakes, statekeep", STRANGERS, &our_handshakes);
    report.measured("handshakes, bare handler", STRANGERS, &their_handshakes);
    let reads = "reads a second, statekeep / bare handler";
    let rate = |round: &Round| round.rate;
    report.ratio(reads, (&ours, &theirs), rate, Target::AtLeast(0.65));
    let handshakes = "handshakes a second, statekeep / bare handler";
    let both = (&our_handshakes[..], &their_handshakes[..]);
    report.ratio(handshakes, both, rate, Target::AtLeast(0.9));
    Ok(report)
}

/// A client's side that trusts this authority, and begins each connection anew.
fn config(authority: &Path) -> Res<Arc<ClientConfig>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority)?)?;
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let mut config = builder.with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// A connection whose handshake is done.
fn open(address: SocketAddr, config: &Arc<ClientConfig>) -> Res<Stream> {
    let name = ServerName::from(address.ip());
    let mut client = ClientConnection::new(Arc::clone(config), name)?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    while client.is_handshaking() {
        client.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(client, stream))
}

/// Sends a request, and gives the body of its answer, which has to be 200.
fn exchange(stream: &mut Stream, request: &[u8]) -> Res<Vec<u8>> {
    stream.write_all(request)?;
    let (mut answer, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        if let Some(body) = body(&answer)? {
            return Ok(body.to_vec());
        }
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err("the server hung up".into());
        }
        answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
}

/// The body of an answer that has come as a whole.
fn body(answer: &[u8]) -> Res<Option<&[u8]>> {
    let Some(end) = answer.windows(END.len()).position(|four| four == END) else {
        return Ok(None);
    };
    let head = std::str::from_utf8(answer.get(..end).unwrap_or_default())?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("refused: {head}").into());
    }
    let length = head
        .split("\r\n")
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length
        .ok_or("an answer without Content-Length")?
        .1
        .parse()?;
    let first = end + END.len();
    Ok(answer.get(first..first + length))
}

/// Requests over connections that stay open.
fn reads(process: &Process, config: &Arc<ClientConfig>, request: &[u8]) -> Res<Round> {
    let address = process.address()?;
    for_a_round(CLIENTS, || {
        let mut stream = open(address, config)?;
        Ok(move || exchange(&mut stream, request).map(drop))
    })
}

/// Connections that are closed as soon as their handshake is done.
fn handshakes(process: &Process, config: &Arc<ClientConfig>) -> Res<Round> {
    let address = process.address()?;
    for_a_round(STRANGERS, || Ok(move || open(address, config).map(drop)))
}

/// Has so many clients do something again and again.
fn for_a_round<A: FnMut() -> Res<()>>(
    clients: usize,
    client: impl Fn() -> Res<A> + std::marker::Sync,
) -> Res<Round> {
    let work = || {
        let mut act = client()?;
        let (began, mut times) = (Instant::now(), Vec::new());
        while began.elapsed() < ROUND {
            let before = Instant::now();
            act()?;
            times.push(before.elapsed().as_secs_f64());
        }
        Ok::<_, Box<dyn std::error::Error + Send + std::marker::Sync>>(times)
    };
    std::thread::scope(|scope| {
        let began = Instant::now();
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(work)).collect();
        let mut times = Vec::new();
        for thread in threads {
            times.extend(thread.join().map_err(|_| "a client panicked")??);
        }
        let rate = f64::from(u32::try_from(times.len())?) / began.elapsed().as_secs_f64();
        Ok(Round {
            rate,
            cpu: None,
            times: Times::new(times),
        })
    })
}
