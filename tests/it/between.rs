//! Something between a client and a server that fails one kind of call once, as a proxy does, and
//! hands on all others.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::Server;

/// What fails a call.
pub struct Between {
    url: String,
    calls: Arc<AtomicUsize>,
}

impl Between {
    /// In front of a server; it fails the first request whose first line has these words in it.
    pub fn before(server: &Server, words: &'static str) -> Self {
        let (listener, target) = (
            TcpListener::bind("127.0.0.1:0").expect("a port"),
            server.address().to_owned(),
        );
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, target, count) = (
                    stream.expect("a connection"),
                    target.clone(),
                    Arc::clone(&count),
                );
                std::thread::spawn(move || hand_on(stream, &target, words, &count));
            }
        });
        Self { url, calls }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many of those requests there were.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// Hands one request on by a connection of its own.
fn hand_on(mut client: TcpStream, target: &str, words: &str, calls: &AtomicUsize) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match client.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) | Err(_) => return,
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    if text.lines().next().is_some_and(|line| line.contains(words))
        && calls.fetch_add(1, Ordering::SeqCst) == 0
    {
        let _ = client.write_all(
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
        return;
    }
    let mut server = TcpStream::connect(target).expect("the server");
    server
        .write_all(
            text.replacen("\r\n", "\r\nConnection: close\r\n", 1)
                .as_bytes(),
        )
        .expect("a request");
    let (mut up, mut down) = (
        client.try_clone().expect("a socket"),
        server.try_clone().expect("a socket"),
    );
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut up, &mut down);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
}
