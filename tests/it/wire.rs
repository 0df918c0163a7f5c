//! Requests that no proper client sends: bytes written to a socket as they are, and the answer read
//! back by hand.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use base64::Engine as _;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use crate::harness::{Answer, Client, PATIENCE, Server};

/// A connection that sends what it is told to.
pub struct Wire {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
}

trait Stream: Read + Write + Send {
    fn finish(&self);
    /// Has the connection be reset when it is closed.
    fn will_reset(&self) {}
    fn wait_at_most(&self, time: Duration);
    fn sends_within(&self, time: Duration);
}

impl Stream for TcpStream {
    fn finish(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }

    fn will_reset(&self) {
        rustix::net::sockopt::set_socket_linger(self, Some(Duration::ZERO)).expect("a socket");
    }

    fn wait_at_most(&self, time: Duration) {
        self.set_read_timeout(Some(time)).expect("a time-out");
    }

    fn sends_within(&self, time: Duration) {
        self.set_write_timeout(Some(time)).expect("a time-out");
    }
}

impl Stream for UnixStream {
    fn finish(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }

    fn wait_at_most(&self, time: Duration) {
        self.set_read_timeout(Some(time)).expect("a time-out");
    }

    fn sends_within(&self, time: Duration) {
        self.set_write_timeout(Some(time)).expect("a time-out");
    }
}

impl Wire {
    pub fn to(server: &Server) -> Self {
        Self::over(TcpStream::connect(server.address()).expect("a connection"))
    }

    /// A connection from one of this machine's own addresses, such as 127.0.0.2.
    pub fn from(address: &str, server: &Server) -> Self {
        let source = SocketAddrV4::new(address.parse().expect("an address"), 0);
        let target: SocketAddrV4 = server.address().parse().expect("an address");
        // No process that a test starts may keep it open.
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
        let socket = socket.expect("a socket");
        bind(&socket, &source).expect("an address of this machine");
        connect(&socket, &target).expect("a connection");
        Self::over(TcpStream::from(socket))
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a time-out");
        stream
            .set_nodelay(true)
            .expect("what is sent goes out at once");
        Self {
            stream: Box::new(stream),
            read: Vec::new(),
        }
    }

    /// A connection to the socket in the server's data directory.
    pub fn to_socket_of(server: &Server) -> Self {
        let stream =
            UnixStream::connect(server.data().join("statekeep.sock")).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Self {
            stream: Box::new(stream),
            read: Vec::new(),
        }
    }

    /// Sends some bytes; a server that has hung up already is no failure here, its answer may still
    /// be there to read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream
            .write_all(bytes.as_ref())
            .and_then(|()| self.stream.flush())
            .is_ok()
    }

    /// Says that nothing more will come, as a client does that is killed.
    pub fn finish(&mut self) {
        self.stream.finish();
    }

    /// Goes away at once, so that the server is told.
    pub fn reset(self) {
        self.stream.will_reset();
    }

    /// The next answer, or `None` when the server closes the connection without one.
    pub fn answer(&mut self) -> Option<Answer> {
        self.next_answer(true)
    }

    /// The same for a request by HEAD, whose answer names a length and has no body.
    pub fn answer_to_head(&mut self) -> Option<Answer> {
        self.next_answer(false)
    }

    fn next_answer(&mut self, has_body: bool) -> Option<Answer> {
        let head_end = loop {
            if let Some(at) = find(&self.read, b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more() {
                assert!(
                    self.read.is_empty(),
                    "half an answer: {}",
                    String::from_utf8_lossy(&self.read)
                );
                return None;
            }
        };
        let head =
            String::from_utf8(self.read.drain(..head_end).collect()).expect("a head in ASCII");
        let (status, headers) = parse_head(&head);
        if status.is_informational() {
            return self.next_answer(has_body);
        }
        let bytes = match headers.get("content-length") {
            _ if !has_body
                || status == StatusCode::NO_CONTENT
                || status == StatusCode::NOT_MODIFIED =>
            {
                Vec::new()
            }
            Some(length) => self.take(length.to_str().expect("ASCII").parse().expect("a length")),
            None => self.rest(),
        };
        Some(Answer {
            status,
            headers,
            bytes,
        })
    }

    /// The next line of an answer, `100 Continue` included.
    pub fn next_line(&mut self) -> String {
        while find(&self.read, b"\r\n").is_none() {
            assert!(self.more(), "the connection ends");
        }
        let end = find(&self.read, b"\r\n").expect("a line");
        let line: Vec<u8> = self.read.drain(..end + 2).collect();
        String::from_utf8_lossy(&line[..end]).into_owned()
    }

    /// Sending fails if nothing is taken for so long.
    pub fn gives_up_after(&self, time: Duration) {
        self.stream.sends_within(time);
    }

    /// Reads some bytes of an answer and keeps them for it; false at the end of the stream.
    pub fn sip(&mut self, most: usize) -> bool {
        let mut buffer = vec![0; most];
        let count = self.stream.read(&mut buffer).unwrap_or(0);
        self.read.extend_from_slice(&buffer[..count]);
        count > 0
    }

    /// Whether nothing at all comes for a while: neither an answer nor the connection's end.
    pub fn is_quiet(&mut self, time: Duration) -> bool {
        self.stream.wait_at_most(time);
        let mut buffer = [0; 1024];
        let outcome = self.stream.read(&mut buffer);
        self.stream.wait_at_most(PATIENCE);
        match outcome {
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                false
            }
            Err(error) => matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ),
        }
    }

    /// Waits for the connection's end, whatever comes before it; a server that keeps it open fails
    /// the test.
    #[track_caller]
    pub fn closes(&mut self) {
        self.rest();
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.more(), "an answer that is cut short");
        }
        // Moved as one, since tests without optimisation take long for megabytes byte by byte.
        let rest = self.read.split_off(length);
        std::mem::replace(&mut self.read, rest)
    }

    fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.read)
    }

    /// Reads on; false at the end of the stream. A server that neither answers nor closes fails the
    /// test.
    fn more(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) => {
                let late = matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                );
                assert!(
                    !late,
                    "the server neither answers nor closes the connection"
                );
                false
            }
        }
    }
}

fn parse_head(head: &str) -> (StatusCode, HeaderMap) {
    let mut lines = head.trim_end().split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|word| word.parse().ok());
    let status = StatusCode::from_u16(status.expect("a status line")).expect("a status");
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').expect("a header");
        headers.append(
            name.parse::<HeaderName>().expect("a name"),
            HeaderValue::from_str(value.trim()).expect("a value"),
        );
    }
    (status, headers)
}

/// Where some bytes first appear in others.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

/// The head of a request with someone's credentials; `headers` are whole lines without their end.
pub fn head(method: &str, target: &str, caller: &Client, headers: &[&str]) -> String {
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("x:{}", caller.secret()));
    let mut head = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {basic}\r\n"
    );
    for line in headers {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head + "\r\n"
}

/// A body in chunks of this size, with the last, empty one.
pub fn chunked(body: impl AsRef<[u8]>, size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.as_ref().chunks(size) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// Sends a whole request with an empty body to an address exactly as it is written, which HTTP
/// clients would tidy up first.
pub fn ask(server: &Server, caller: &Client, method: &str, target: &str) -> Answer {
    let mut wire = Wire::to(server);
    wire.send(head(
        method,
        target,
        caller,
        &["Content-Length: 0", "Connection: close"],
    ));
    wire.answer().expect("an answer")
}
