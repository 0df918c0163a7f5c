//! A network that loses an answer: the request arrives, the server acts, and the client never hears
//! of it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Nothing on the loopback takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

const WHOLE: &str = "no thread of the proxy panicked with the lock in hand";

/// A request as it went through.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) body: Vec<u8>,
}

/// Forwards each request to a server and hands its answer back, but for the first answer to one
/// method: that one it swallows, and cuts the connection.
pub(super) struct LossyProxy {
    address: String,
    wire: Arc<Wire>,
}

/// What the threads of a proxy share.
struct Wire {
    upstream: Mutex<String>,
    lost: Option<String>,
    seen: Mutex<Vec<Request>>,
}

impl LossyProxy {
    /// Stands before the server at `upstream` (`127.0.0.1:PORT`) and loses the first answer to a
    /// method, or none. Its threads end with the test process.
    pub(super) fn start(upstream: &str, lost: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (upstream, lost) = (Mutex::new(upstream.to_owned()), lost.map(str::to_owned));
        let wire = Arc::new(Wire {
            upstream,
            lost,
            seen: Mutex::default(),
        });
        let threads = Arc::clone(&wire);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let wire = Arc::clone(&threads);
                std::thread::spawn(move || serve(client.expect("a connection"), &wire));
            }
        });
        Self { address, wire }
    }

    /// From here on requests go to another server.
    pub(super) fn point_at(&self, upstream: &str) {
        upstream.clone_into(&mut self.wire.upstream.lock().expect(WHOLE));
    }

    /// The same URL, but through this proxy.
    pub(super) fn instead_of(&self, server: &str, url: &str) -> String {
        url.replace(server, &self.address)
    }

    /// What came through with this method, in its order.
    pub(super) fn requests(&self, method: &str) -> Vec<Request> {
        self.wire
            .seen
            .lock()
            .expect(WHOLE)
            .iter()
            .filter(|request| request.method == method)
            .cloned()
            .collect()
    }
}

/// One request of one connection. Connections are not kept, so that a cut one cannot be taken for
/// one that was merely idle for too long.
fn serve(mut client: TcpStream, wire: &Wire) {
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let Some((head, request)) = receive(&client) else {
        return;
    };
    let upstream = wire.upstream.lock().expect(WHOLE).clone();
    let mut server = TcpStream::connect(upstream).expect("the server is there");
    server.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    server
        .write_all(head.as_bytes())
        .and_then(|()| server.write_all(&request.body))
        .expect("the server takes the request");
    let mut answer = Vec::new();
    server
        .read_to_end(&mut answer)
        .expect("the server answers and closes");
    if !wire.loses_answer_to(request) {
        // The client may have gone away, which is its own affair.
        let _ = client.write_all(&answer);
    }
    let _ = client.shutdown(Shutdown::Both);
}

impl Wire {
    /// Notes a request, and says whether its answer is the one to lose.
    fn loses_answer_to(&self, request: Request) -> bool {
        let mut seen = self.seen.lock().expect(WHOLE);
        let first = seen.iter().all(|earlier| earlier.method != request.method);
        let lost = first && self.lost.as_ref() == Some(&request.method);
        seen.push(request);
        lost
    }
}

/// Reads a request; the head comes back with `Connection: close` in it. Nothing for a connection
/// that ends before a request.
fn receive(client: &TcpStream) -> Option<(String, Request)> {
    let mut reader = BufReader::new(client);
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|&length| length > 0)?;
    let method = line.split(' ').next()?.to_owned();
    let (mut head, mut length) = (line, 0);
    loop {
        let mut line = String::new();
        reader
            .read_line(&mut line)
            .ok()
            .filter(|&length| length > 0)?;
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        assert!(
            !name.eq_ignore_ascii_case("transfer-encoding"),
            "the clients send these requests with a length: {line}"
        );
        match name.trim().to_ascii_lowercase().as_str() {
            "" => break,
            "content-length" => length = value.trim().parse().expect("a length"),
            "connection" => continue,
            _ => {}
        }
        head.push_str(&line);
    }
    head.push_str("Connection: close\r\n\r\n");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, Request { method, body }))
}
