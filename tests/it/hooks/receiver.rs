//! A receiver of a test: a small server that keeps what it is sent, and answers as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::harness::eventually;

/// A delivery as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub(crate) fn seq(&self) -> u64 {
        self.json()["event"]["seq"].as_u64().expect("a number")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What a receiver does with the next deliveries.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Answers with this status, and these lines of a head.
    Status(u16, String),
    /// Takes the delivery, and never answers.
    Silence,
}

#[derive(Clone)]
pub(crate) struct Receiver {
    port: u16,
    scheme: &'static str,
    got: Arc<Mutex<Vec<Received>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
}

/// A port on which nothing listens.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Receiver {
    pub(crate) fn start() -> Self {
        Self::on(0, None)
    }

    pub(crate) fn on(port: u16, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let receiver = Self {
            port: listener.local_addr().expect("an address").port(),
            scheme: if tls.is_some() { "https" } else { "http" },
            got: Arc::default(),
            replies: Arc::default(),
        };
        let serving = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (serving, tls) = (serving.clone(), tls.clone());
                let stream = stream.expect("a connection");
                std::thread::spawn(move || serving.serve(stream, tls));
            }
        });
        receiver
    }

    fn serve(&self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        if let Some(tls) = tls {
            let connection = ServerConnection::new(tls).expect("a connection");
            self.answer(StreamOwned::new(connection, stream));
        } else {
            self.answer(stream);
        }
    }

    /// One request a connection. A client that hangs up has sent none.
    fn answer(&self, mut stream: impl Read + Write) {
        let Some(received) = read(&mut stream) else {
            return;
        };
        let reply = self.replies.lock().pop_front();
        self.got.lock().push(received);
        match reply.unwrap_or(Reply::Status(204, String::new())) {
            Reply::Silence => loop {
                std::thread::park();
            },
            Reply::Status(status, lines) => {
                let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n{lines}");
                let _ = stream.write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes());
                let _ = stream.flush();
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}/hook", self.scheme, self.port)
    }

    /// What makes a hook to it.
    pub(crate) fn wanted(&self, on: &[&str]) -> Value {
        json!({"url": self.url(), "on": on, "allow_private": "127.0.0.1"})
    }

    /// Answers the next deliveries in this way.
    pub(crate) fn will(&self, reply: &Reply, times: usize) {
        let mut replies = self.replies.lock();
        replies.extend(std::iter::repeat_n(reply.clone(), times));
    }

    pub(crate) fn got(&self) -> Vec<Received> {
        self.got.lock().clone()
    }

    /// What it got, once it is so much.
    pub(crate) fn waits_for(&self, count: usize) -> Vec<Received> {
        eventually("the deliveries are there", || {
            self.got.lock().len() >= count
        });
        self.got()
    }
}

fn read(stream: &mut impl Read) -> Option<Received> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let mut lines = head.lines();
        let line = lines.next()?.to_owned();
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.get("content-length")?.parse::<usize>().ok()?;
        if body.len() >= length {
            let body = body.to_owned();
            return Some(Received {
                line,
                headers,
                body,
            });
        }
    }
}
