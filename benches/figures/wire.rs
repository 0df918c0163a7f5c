//! Requests made beforehand, and connections that send them: little work for the clients, which
//! share the processor with whom they measure.

use std::io::{IoSlice, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Digest as _;

use crate::Res;

/// The most bytes of an answer's head.
const MAX_HEAD: usize = 16 * 1024;
/// The end of a head.
const END: &[u8] = b"\r\n\r\n";

/// When a client computes the MD5 of its body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hashing {
    /// Before the clock starts.
    Before,
    /// With each sending, as Terraform and OpenTofu do.
    OnSending,
}

/// A request, ready to be sent but for the MD5 of its body.
#[derive(Clone)]
pub(crate) struct Request {
    head: Vec<u8>,
    pub(crate) body: Vec<u8>,
    hashing: Hashing,
}

impl Request {
    /// A request with somebody's secret.
    pub(crate) fn new(
        method: &str,
        path: &str,
        secret: &str,
        body: Vec<u8>,
        hashing: Hashing,
    ) -> Self {
        let credentials = STANDARD.encode(format!("x:{secret}"));
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic {credentials}\r\n"
        )
        .into_bytes();
        if !body.is_empty() {
            head.extend_from_slice(
                format!(
                    "Content-Type: application/json\r\nContent-Length: {}\r\n",
                    body.len()
                )
                .as_bytes(),
            );
        }
        let hashing = if body.is_empty() {
            Hashing::Before
        } else {
            hashing
        };
        let mut request = Self {
            head,
            body,
            hashing,
        };
        if hashing == Hashing::Before {
            request.head = request.whole_head();
        }
        request
    }

    /// A request without a body.
    pub(crate) fn get(path: &str, secret: &str) -> Self {
        Self::new("GET", path, secret, Vec::new(), Hashing::Before)
    }

    /// A request with a body, hashed beforehand.
    pub(crate) fn post(path: &str, secret: &str, body: Vec<u8>) -> Self {
        Self::new("POST", path, secret, body, Hashing::Before)
    }

    /// All of it, for a connection that is none of [`Connection`].
    pub(crate) fn whole(&self) -> Vec<u8> {
        let mut whole = match self.hashing {
            Hashing::Before => self.head.clone(),
            Hashing::OnSending => self.whole_head(),
        };
        whole.extend_from_slice(&self.body);
        whole
    }

    fn whole_head(&self) -> Vec<u8> {
        let mut head = self.head.clone();
        if !self.body.is_empty() {
            head.extend_from_slice(b"Content-MD5: ");
            head.extend_from_slice(STANDARD.encode(md5::Md5::digest(&self.body)).as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// Sends it, head and body in one call to the system.
    pub(crate) fn send(&self, mut to: &TcpStream) -> std::io::Result<()> {
        let hashed;
        let head = match self.hashing {
            Hashing::Before => &self.head,
            Hashing::OnSending => {
                hashed = self.whole_head();
                &hashed
            }
        };
        let sent = to.write_vectored(&[IoSlice::new(head), IoSlice::new(&self.body)])?;
        to.write_all(head.get(sent..).unwrap_or_default())?;
        to.write_all(
            self.body
                .get(sent.saturating_sub(head.len())..)
                .unwrap_or_default(),
        )
    }
}

/// An answer.
pub(crate) struct Answer<'c> {
    pub(crate) status: u16,
    /// After how many seconds the client is asked to come again.
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: &'c [u8],
}

/// A connection that is kept alive.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Res<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; 256 * 1024],
        })
    }

    /// Sends a request and gives the body of the answer, which has to be 200.
    pub(crate) fn exchange(&mut self, request: &Request) -> Res<&[u8]> {
        let answer = self.ask(request)?;
        if answer.status != 200 {
            return Err(format!(
                "refused: {} {}",
                answer.status,
                String::from_utf8_lossy(answer.body)
            )
            .into());
        }
        Ok(answer.body)
    }

    /// Sends a request and gives its answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Res<Answer<'_>> {
        request.send(&self.stream)?;
        self.receive()
    }

    /// The next answer.
    pub(crate) fn receive(&mut self) -> Res<Answer<'_>> {
        let mut filled = 0;
        let end_of_head = loop {
            filled += self.read_more(filled)?;
            let read = self.buffer.get(..filled).unwrap_or_default();
            if let Some(end) = read
                .windows(END.len())
                .take(MAX_HEAD)
                .position(|four| four == END)
            {
                break end + END.len();
            }
        };
        let head = std::str::from_utf8(self.buffer.get(..end_of_head).unwrap_or_default())?;
        let status = head
            .get("HTTP/1.1 ".len()..)
            .and_then(|rest| rest.get(..3))
            .ok_or("an answer without a status")?
            .parse()?;
        let length: usize = header(head, "content-length")
            .ok_or("an answer without Content-Length")?
            .parse()?;
        let retry_after = if status == 200 {
            None
        } else {
            header(head, "retry-after").and_then(|value| value.parse().ok())
        };
        let end = end_of_head + length;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        while filled < end {
            filled += self.read_more(filled)?;
        }
        Ok(Answer {
            status,
            retry_after,
            body: self.buffer.get(end_of_head..end).unwrap_or_default(),
        })
    }

    fn read_more(&mut self, filled: usize) -> Res<usize> {
        let read = self
            .stream
            .read(self.buffer.get_mut(filled..).unwrap_or_default())?;
        if read == 0 {
            Err("the server hung up".into())
        } else {
            Ok(read)
        }
    }
}

fn header<'h>(head: &'h str, wanted: &str) -> Option<&'h str> {
    let mut headers = head.split("\r\n").filter_map(|line| line.split_once(':'));
    headers
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value.trim())
}
